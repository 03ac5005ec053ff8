// The player of a story: its film with chapters, or its scenes one after the other as if they were one.

import { Transport, stepped, watched } from "./transport.js";

class Reel {
  constructor(root) {
    this.video = root.querySelector("video");
    this.screen = root.querySelector(".screen");
    this.fps = Number(root.dataset.fps) || 24;
    this.clips = [...root.querySelectorAll(".reel > li")].map((item) => ({
      src: item.dataset.src,
      facts: item.dataset.facts,
      seconds: Number(item.dataset.seconds),
      chapters: [...item.querySelectorAll("[data-chapter]")].map((one) => ({
        number: Number(one.dataset.chapter),
        begin: Number(one.dataset.begin),
        end: Number(one.dataset.end),
      })),
    }));
    this.place = -1;
    this.speed = 1;
    this.video.addEventListener("loadedmetadata", () => {
      if (Number.isFinite(this.video.duration)) this.clips[this.place].seconds = this.video.duration;
    });
    this.video.addEventListener("ended", () => {
      if (this.place + 1 < this.clips.length) this.load(this.place + 1, 0, true);
    });
    this.load(0, 0, false);
  }

  load(place, at, playing) {
    const clip = this.clips[place];
    if (place !== this.place) {
      this.place = place;
      this.video.src = clip.src;
      if (clip.facts) {
        fetch(clip.facts).then((answer) => answer.json()).then((facts) => (this.fps = facts.fps), () => {});
      }
    }
    const go = () => {
      this.video.playbackRate = this.speed;
      if (at || this.video.currentTime) this.video.currentTime = at;
      if (playing) this.video.play().catch(() => {});
    };
    if (this.video.readyState) go();
    else this.video.addEventListener("loadedmetadata", go, { once: true });
  }

  begin(place) {
    return this.clips.slice(0, place).reduce((sum, clip) => sum + clip.seconds, 0);
  }

  get length() {
    return this.begin(this.clips.length);
  }

  get position() {
    return this.begin(this.place) + (this.video.currentTime || 0);
  }

  get paused() {
    return this.video.paused && !(this.video.ended && this.place + 1 < this.clips.length);
  }

  get muted() {
    return this.video.muted;
  }

  set muted(value) {
    this.video.muted = value;
  }

  play() {
    if (this.video.ended && this.place + 1 === this.clips.length) this.load(0, 0, true);
    else this.video.play().catch(() => {});
  }

  pause() {
    this.video.pause();
  }

  rate(times) {
    this.speed = times;
    this.video.playbackRate = times;
  }

  seek(seconds) {
    let place = 0;
    let rest = seconds;
    while (place + 1 < this.clips.length && rest >= this.clips[place].seconds) rest -= this.clips[place++].seconds;
    this.load(place, rest, !this.video.paused);
  }

  step(count) {
    const within = stepped(this.video.currentTime, this.fps, count);
    const { seconds } = this.clips[this.place];
    if (count < 0 && this.video.currentTime * this.fps < 1 && this.place > 0) this.seek(this.begin(this.place) - 0.5 / this.fps);
    else if (within > seconds && this.place + 1 < this.clips.length) this.seek(this.begin(this.place + 1));
    else this.video.currentTime = Math.min(within, seconds);
  }

  chapters() {
    return this.clips.flatMap((clip, place) => clip.chapters.map((one) => ({ ...one, at: this.begin(place) + one.begin })));
  }

  /** The chapter that is seen now. */
  here() {
    const { position } = this;
    return this.chapters().filter((one) => one.at <= position + 0.01).at(-1);
  }
}

export function player(root) {
  const reel = new Reel(root);
  const transport = new Transport(root, reel);
  let shown = -1;
  watched([reel.video], () => {
    transport.tell();
    const number = reel.here()?.number ?? 0;
    if (number === shown) return;
    shown = number;
    mark(number);
  });
  ticks(root, reel);
  reel.video.addEventListener("loadedmetadata", () => ticks(root, reel));
  root.addEventListener("storychain:marked", () => mark(shown));
  reel.screen.addEventListener("click", () => transport.toggle());
  document.addEventListener("click", (event) => {
    const jump = event.target.closest(".strip [data-jump]");
    const chapter = jump && reel.chapters().find((one) => one.number === Number(jump.dataset.jump));
    if (!chapter) return;
    event.preventDefault();
    reel.seek(chapter.at + 0.001);
    root.scrollIntoView({ block: "nearest" });
  });
  transport.scene = (direction) => {
    const chapters = reel.chapters();
    const at = chapters.findLastIndex((one) => one.at <= reel.position + 0.01);
    // Back goes to the scene's own beginning first, as every player does.
    const own = direction < 0 && reel.position - (chapters[at]?.at ?? 0) > 0.6;
    const next = chapters[own ? at : at + direction];
    if (next) reel.seek(next.at + 0.001);
  };
  return transport;
}

/** A tick on the track where each scene begins. */
function ticks(root, reel) {
  const track = root.querySelector("[data-track]");
  for (const old of track.querySelectorAll("i")) old.remove();
  for (const chapter of reel.chapters().slice(1)) {
    const tick = document.createElement("i");
    tick.style.left = `${(100 * chapter.at) / reel.length}%`;
    track.append(tick);
  }
}

function mark(number) {
  for (const tile of document.querySelectorAll(".story .tile, .strip:not(.small) .tile")) {
    tile.classList.toggle("here", Number(tile.dataset.scene) === number);
  }
}

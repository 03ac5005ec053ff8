// The row of controls under a picture, bound to whatever can be played: one video, many in step, scenes in a row.

/** Seconds as `hh:mm:ss:ff`, as editors write them; the last is the frame of that second, no hundredths. */
export function timecode(seconds, fps) {
  const frame = Math.max(0, Math.floor(seconds * fps + 0.01));
  const rate = Math.max(1, Math.round(fps));
  const whole = Math.floor(frame / fps + 1e-6);
  const rest = Math.min(rate - 1, Math.max(0, Math.round(frame - whole * fps)));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60, rest];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** The moment in the middle of the frame that lies `count` frames from the one shown at `seconds`. */
export function stepped(seconds, fps, count) {
  const frame = Math.floor(seconds * fps + 0.01) + count;
  return Math.max(0, (frame + 0.5) / fps);
}

const FASTEST = 4;
const BACK_EACH = 80; // milliseconds between two steps of playing backwards, which browsers cannot do

export class Transport {
  /** `deck` has: length, position, fps, paused, play(), pause(), seek(seconds), rate(x), muted (get, set), screen. */
  constructor(root, deck) {
    this.root = root;
    this.deck = deck;
    this.shuttle = 0;
    this.backwards = 0;
    this.scrub = root.querySelector("[data-scrub]");
    this.time = root.querySelector("[data-time]");
    this.whole = root.querySelector("[data-length]");
    this.speed = root.querySelector("[data-speed]");
    root.addEventListener("click", (event) => this.clicked(event));
    this.scrub?.addEventListener("input", () => this.deck.seek(Number(this.scrub.value) * this.deck.length));
    this.speed?.addEventListener("change", () => this.deck.rate(Number(this.speed.value)));
    this.tell();
  }

  clicked(event) {
    const button = event.target.closest("[data-do]");
    const acts = { play: () => this.toggle(), back: () => this.step(-1), on: () => this.step(1), mute: () => this.mute(), full: () => this.full() };
    if (button) acts[button.dataset.do]?.();
  }

  toggle() {
    if (this.deck.paused && !this.backwards) this.forward(1);
    else this.stop();
  }

  forward(times) {
    this.stop();
    this.shuttle = times;
    this.deck.rate(times * Number(this.speed?.value ?? 1));
    this.deck.play();
  }

  stop() {
    clearInterval(this.backwards);
    this.backwards = 0;
    this.shuttle = 0;
    this.deck.pause();
    this.tell();
  }

  /** J and L: once plays, again plays faster. */
  jog(direction) {
    const times = Math.sign(this.shuttle) === direction ? Math.min(FASTEST, Math.abs(this.shuttle) * 2) : 1;
    if (direction > 0) return this.forward(times);
    this.stop();
    this.shuttle = -times;
    this.backwards = setInterval(() => {
      this.deck.seek(Math.max(0, this.deck.position - (times * BACK_EACH) / 1000));
      if (this.deck.position <= 0) this.stop();
    }, BACK_EACH);
    this.tell();
  }

  step(count) {
    this.stop();
    this.deck.step ? this.deck.step(count) : this.deck.seek(stepped(this.deck.position, this.deck.fps, count));
  }

  nudge(seconds) {
    this.deck.seek(Math.min(this.deck.length, Math.max(0, this.deck.position + seconds)));
  }

  mute() {
    this.deck.muted = !this.deck.muted;
    this.tell();
  }

  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.deck.screen?.requestFullscreen?.();
  }

  /** Show how things stand. */
  tell() {
    const { deck } = this;
    const playing = !deck.paused || Boolean(this.backwards);
    this.root.classList.toggle("playing", playing);
    this.root.querySelector("[data-do=play]")?.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.root.querySelector("[data-do=mute]")?.setAttribute("aria-pressed", String(!deck.muted));
    if (this.time) this.time.value = timecode(deck.position, deck.fps);
    if (this.whole) this.whole.value = timecode(deck.length, deck.fps);
    if (this.scrub) {
      this.scrub.value = deck.length ? deck.position / deck.length : 0;
      this.scrub.setAttribute("aria-valuetext", this.time?.value ?? "");
    }
  }
}

/** Call `tell` at every picture while something plays, and once for every change. */
export function watched(videos, tell) {
  let asked = 0;
  const each = () => {
    asked = 0;
    tell();
    if (videos.some((video) => !video.paused)) asked ||= requestAnimationFrame(each);
  };
  for (const video of videos) {
    for (const name of ["play", "pause", "seeked", "seeking", "loadedmetadata", "ended", "ratechange", "volumechange"]) {
      video.addEventListener(name, () => (asked ||= requestAnimationFrame(each)));
    }
  }
}

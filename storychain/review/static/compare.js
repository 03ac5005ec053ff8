// Takes of a scene, played in step: the first that is in the film leads, the others follow it.

import { Transport, watched } from "./transport.js";

const APART = 0.06; // seconds by which a take may be behind or ahead before it is set right

class Takes {
  constructor(root) {
    this.videos = [...root.querySelectorAll("video")];
    this.screen = root.querySelector(".takes");
    this.lead = root.querySelector(".current video") ?? this.videos[0];
    this.fps = 24;
    for (const video of this.videos) video.muted = video !== this.lead;
    fetch(this.lead.dataset.facts).then((answer) => answer.json()).then((facts) => (this.fps = facts.fps), () => {});
  }

  get length() {
    return Math.max(0, ...this.videos.map((video) => video.duration || 0));
  }

  get position() {
    // A take that has ended no longer tells how far the others are.
    return Math.max(...this.videos.map((video) => video.currentTime));
  }

  get paused() {
    return this.videos.every((video) => video.paused);
  }

  get muted() {
    return this.lead.muted;
  }

  set muted(value) {
    this.lead.muted = value;
  }

  play() {
    const from = this.position >= this.length - 0.02 ? 0 : this.position;
    for (const video of this.videos) {
      if (Math.abs(video.currentTime - from) > APART) video.currentTime = from;
      video.play().catch(() => {});
    }
  }

  pause() {
    for (const video of this.videos) video.pause();
  }

  rate(times) {
    for (const video of this.videos) video.playbackRate = times;
  }

  seek(seconds) {
    for (const video of this.videos) video.currentTime = Math.min(seconds, video.duration || seconds);
  }

  together() {
    if (this.lead.paused || this.lead.seeking) return;
    for (const video of this.videos) {
      if (video !== this.lead && !video.ended && !video.seeking && Math.abs(video.currentTime - this.lead.currentTime) > APART) {
        video.currentTime = this.lead.currentTime;
      }
    }
  }
}

export function compare(root) {
  const takes = new Takes(root);
  const transport = new Transport(root, takes);
  watched(takes.videos, () => {
    takes.together();
    transport.tell();
    for (const field of document.querySelectorAll("[data-second]")) field.value = takes.position.toFixed(2);
  });
  takes.screen.addEventListener("click", () => transport.toggle());
  document.addEventListener("click", (event) => {
    const there = event.target.closest("[data-at]");
    if (there) takes.seek(Number(there.dataset.at));
  });
  return transport;
}

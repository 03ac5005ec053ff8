// A seam: the end of one scene and the beginning of the next, over and over, or the two pictures flipped.

export function seam(root) {
  const before = root.querySelector("[data-side=before]");
  const after = root.querySelector("[data-side=after]");
  const time = root.querySelector("[data-time]");
  const span = root.querySelector("[data-span]");
  const speed = root.querySelector("[data-speed]");
  const sound = root.querySelector("[data-do=mute]");
  let looping = false;
  let shown = null;

  function show(video) {
    if (shown === video) return;
    shown = video;
    for (const one of [before, after]) one.classList.toggle("shown", one === video);
  }

  const from = () => Math.max(0, (before.duration || 0) - Number(span.value));
  const last = () => Math.max(0, (before.duration || 0) - 0.02);

  function again() {
    after.pause();
    after.currentTime = 0;
    before.currentTime = from();
    for (const one of [before, after]) one.playbackRate = Number(speed.value);
    show(before);
    before.play().catch(() => {});
  }

  function each() {
    if (!looping) return;
    const over = Math.min(Number(span.value), (after.duration || 0) - 0.02);
    if (shown === before && (before.ended || before.currentTime >= (before.duration || 0) - 0.012)) {
      show(after);
      after.play().catch(() => {});
    } else if (shown === after && (after.ended || after.currentTime >= over)) {
      again();
    }
    const away = shown === before ? before.currentTime - (before.duration || 0) : after.currentTime;
    time.value = `${away < 0 ? "−" : "+"}${Math.abs(away).toFixed(2)} s`;
    requestAnimationFrame(each);
  }

  function toggle() {
    looping = !looping;
    root.classList.toggle("playing", looping);
    root.querySelector("[data-do=play]").setAttribute("aria-label", looping ? "Stop the loop" : "Loop around the cut");
    if (looping) {
      again();
      requestAnimationFrame(each);
    } else {
      before.pause();
      after.pause();
    }
  }

  function flip() {
    if (looping) toggle();
    before.currentTime = last();
    after.currentTime = 0;
    show(shown === before ? after : before);
    time.value = shown === before ? "last" : "first";
  }

  function mute() {
    for (const one of [before, after]) one.muted = !one.muted;
    sound.setAttribute("aria-pressed", String(!before.muted));
  }

  root.addEventListener("click", (event) => {
    const acts = { play: toggle, flip, mute };
    acts[event.target.closest("[data-do]")?.dataset.do]?.();
  });
  span.addEventListener("change", () => looping && again());
  speed.addEventListener("change", () => looping && again());
  const ready = () => {
    before.currentTime = last();
    show(before);
  };
  if (before.readyState) ready();
  else before.addEventListener("loadedmetadata", ready, { once: true });
  return { toggle, flip, mute, stop: () => looping && toggle(), jog: toggle };
}

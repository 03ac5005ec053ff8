// News: what changed is fetched anew and put in place; a video that plays is never taken away.

export function live() {
  const told = document.querySelector("[data-live-state]");
  if (!told || !window.EventSource) return;
  const news = new EventSource("/events");
  news.addEventListener("open", () => say(told, "live", "on"));
  news.addEventListener("error", () => say(told, "connection lost", "trouble"));
  news.addEventListener("trouble", (event) => say(told, JSON.parse(event.data).words, "trouble"));
  news.addEventListener("serials", (event) => {
    say(told, "live", "on");
    changed(JSON.parse(event.data));
  });
  // A page that is left keeps no connection: browsers allow few to a server.
  window.addEventListener("pagehide", () => news.close());
}

function say(told, words, kind) {
  told.textContent = words;
  told.className = `live ${kind}`;
}

function changed(serials) {
  if (!Object.keys(serials).length) return;
  if (isAnotherList(serials)) return window.location.reload();
  for (const part of document.querySelectorAll("[data-story][data-serial]")) {
    // They grow with each change. What is told first may be from before this page was made, and is no news then.
    if (!(serials[part.dataset.story] > Number(part.dataset.serial))) continue;
    if (part.dataset.part) renew(part);
    else part.querySelector("[data-changed]")?.removeAttribute("hidden");
  }
}

/** Whether stories came or went since the list was made. */
function isAnotherList(serials) {
  if (!document.querySelector(".rows, .empty[data-list]")) return false;
  const listed = new Set([...document.querySelectorAll(".row[data-story]")].map((row) => row.dataset.story));
  const names = Object.keys(serials);
  return names.length !== listed.size || names.some((name) => !listed.has(name));
}

async function renew(part) {
  if (part.dataset.renewing) return;
  part.dataset.renewing = "1";
  try {
    const answer = await fetch(part.dataset.part);
    if (!answer.ok) return;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
    const focus = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const living = part.classList.contains("living");
    if (living && made.dataset.film && made.dataset.film !== part.dataset.film) {
      const newer = document.querySelector("[data-newer]");
      if (newer) newer.hidden = false;
      else window.location.reload();
    } else if (living && !document.querySelector("[data-player]") && made.querySelector(".tile.s-ready")) {
      window.location.reload();
    }
    part.replaceWith(made);
    if (focus) made.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus();
    document.querySelector("[data-player]")?.dispatchEvent(new Event("storychain:marked"));
    tick();
  } finally {
    delete part.dataset.renewing;
  }
}

/** The strips of a long list, when one comes near them. */
export function later() {
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        renew(entry.target.closest("[data-part]"));
      }
    },
    { rootMargin: "600px" },
  );
  for (const strip of document.querySelectorAll("[data-later]")) near.observe(strip);
}

function span(seconds) {
  if (seconds < 100) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Set every clock on the page: time left, and how far jobs are by what such jobs usually take. */
export function tick() {
  const now = Date.now() / 1000;
  for (const one of document.querySelectorAll(".left")) {
    const { until, since } = one.dataset;
    if (until) one.textContent = Number(until) > now ? `about ${span(Number(until) - now)} left` : "any moment now";
    else one.textContent = `for ${span(now - Number(since))}`;
  }
  for (const bar of document.querySelectorAll("progress[data-until]")) {
    const { since, until } = bar.dataset;
    bar.value = Math.min(0.98, (now - since) / Math.max(1, until - since));
  }
}

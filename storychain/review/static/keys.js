// Keys, the same on every page: an editor's hands stay where they are.

const TYPING = "input[type=text], input[type=number], textarea, select, dialog";

export function keys(deck) {
  const dialog = document.querySelector("dialog.keys");
  const help = () => dialog && !dialog.open && dialog.showModal();
  document.querySelector("[data-help]")?.addEventListener("click", help);
  const go = (rel) => document.querySelector(`a[rel=${rel}]`)?.click();
  const acts = {
    " ": () => deck?.toggle(),
    k: () => deck?.toggle(),
    j: () => deck?.jog(-1),
    l: () => deck?.jog(1),
    ",": () => deck?.step?.(-1),
    ".": () => deck?.step?.(1),
    arrowleft: () => deck?.nudge?.(-1),
    arrowright: () => deck?.nudge?.(1),
    "[": () => (deck?.scene ? deck.scene(-1) : go("prev")),
    "]": () => (deck?.scene ? deck.scene(1) : go("next")),
    f: () => deck?.full?.(),
    m: () => deck?.mute(),
    x: () => deck?.flip?.(),
    "?": help,
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest?.(TYPING)) return;
    const key = event.key.toLowerCase();
    // What a control does with a key of its own comes first.
    if (key === " " && target.closest?.("button, a, summary, input[type=checkbox]")) return;
    if (key.startsWith("arrow") && (target.closest?.("input") || !deck)) return;
    if (!(key in acts) || (!deck && !"?[]".includes(key))) return;
    event.preventDefault();
    acts[key]();
  });
}

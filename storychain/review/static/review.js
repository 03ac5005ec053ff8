// What a page has is set going; a page without a script is still a page.

import { compare } from "./compare.js";
import { keys } from "./keys.js";
import { later, live, tick } from "./live.js";
import { player } from "./player.js";
import { seam } from "./seams.js";

const made = { "[data-player]": player, "[data-compare]": compare, "[data-seam]": seam };
let deck = null;
for (const [selector, make] of Object.entries(made)) {
  const root = document.querySelector(selector);
  if (root) deck ??= make(root);
}
keys(deck);
live();
later();
tick();
setInterval(tick, 1000);
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button[type=submit]");
  // The second click of a double click finds nothing to press; the server would refuse it as well.
  if (button && event.target.method === "post") setTimeout(() => (button.disabled = true));
});

// The line above the planes: whose scan it is, figures about it, and its buttons.

import { element } from "./element.js";
import { toggleSolid } from "./solid.js";

export function header(viewer) {
  const { header: line } = viewer.data;
  viewer.header.hidden = !line;
  if (!line) return void viewer.header.replaceChildren();
  const { title, note, action } = line;
  viewer.header.replaceChildren(...[
    element("strong", { textContent: title }),
    element("button", { className: "open-solid", textContent: "3-D", title: "The scan in 3-D, with the place",
      "aria-label": `3-D: ${title}`, onclick: () => toggleSolid(viewer) }),
    action && element("button", {
      className: "action", textContent: action, "aria-label": `${action}: ${title}`,
      onclick: () => viewer.tell("action", viewer.cursor),
    }),
    element("div", { className: "note", textContent: note, title: note }),
  ].filter(Boolean));
}

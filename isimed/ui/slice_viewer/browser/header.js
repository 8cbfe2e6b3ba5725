// The line above the planes: whose scan it is, figures about it, and one button.

import { element } from "./element.js";

export function header(viewer) {
  const { header: line } = viewer.data;
  viewer.header.hidden = !line;
  if (!line) return void viewer.header.replaceChildren();
  const { title, note, action } = line;
  viewer.header.replaceChildren(...[
    element("strong", { textContent: title }),
    action && element("button", {
      className: "action", textContent: action, "aria-label": `${action}: ${title}`,
      onclick: () => viewer.tell("action", viewer.cursor),
    }),
    element("div", { className: "note", textContent: note, title: note }),
  ].filter(Boolean));
}

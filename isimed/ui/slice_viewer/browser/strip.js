// A row of small pictures; a click sends its number to Python.

import { convention, onSwitch } from "./convention.js";
import { letters, runsLeft } from "./geometry.js";
import { element } from "./element.js";

let count = 0; // rises, so that the same picture can be chosen twice
const mounted = new WeakMap(); // Streamlit's parent element -> root

export function mount({ data, parentElement, setTriggerValue }) {
  let root = mounted.get(parentElement);
  if (!root) {
    root = element("div", { className: "slice-viewer strip", role: "list" });
    parentElement.append(element("link", { rel: "stylesheet", href: new URL("viewer.css", import.meta.url).href }), root);
    mounted.set(parentElement, root);
    root.unfollow = onSwitch(() => turn(root));
  }
  root.plane = data.plane;
  root.replaceChildren(...data.pictures.map(({ src, title, note }, number) => {
    const picture = element("img", { src, alt: "" });
    picture.style.height = `${data.height}px`;
    const shown = element("div", { className: "shown" }, picture, element("b", {}), element("b", {}));
    const button = element("button", { className: "picture", "aria-label": `Open ${title}, ${note}`, title: `Open ${title}`,
      onclick: () => setTriggerValue("choice", { number, title, count: ++count }) },
    shown, element("strong", { textContent: title }), element("span", { textContent: note }));
    return element("div", { role: "listitem" }, button);
  }));
  turn(root);
  return () => {
    root.unfollow();
    mounted.delete(parentElement);
    root.remove();
  };
}

/** The pictures come with the patient's right on the left: mirrored where the viewers are, letters and all. */
function turn(root) {
  const side = letters(root.plane, convention());
  for (const shown of root.querySelectorAll(".shown")) {
    const [picture, left, right] = shown.children;
    picture.style.transform = runsLeft(root.plane, convention()) ? "" : "scaleX(-1)";
    left.textContent = side.left;
    right.textContent = side.right;
  }
}

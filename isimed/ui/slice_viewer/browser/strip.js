// A row of small pictures; a click sends its number to Python.

import { element } from "./toolbar.js";

let count = 0; // rises, so that the same picture can be chosen twice
const mounted = new WeakMap(); // Streamlit's parent element -> root

export function mount({ data, parentElement, setTriggerValue }) {
  let root = mounted.get(parentElement);
  if (!root) {
    root = element("div", { className: "slice-viewer strip", role: "list" });
    parentElement.append(element("link", { rel: "stylesheet", href: new URL("viewer.css", import.meta.url).href }), root);
    mounted.set(parentElement, root);
  }
  root.replaceChildren(...data.pictures.map(({ src, title, note }, number) => {
    const picture = element("img", { src, alt: "" });
    picture.style.height = `${data.height}px`;
    const button = element("button", { className: "picture", "aria-label": `Open ${title}, ${note}`, title: `Open ${title}`,
      onclick: () => setTriggerValue("choice", { number, title, count: ++count }) },
    picture, element("strong", { textContent: title }), element("span", { textContent: note }));
    return element("div", { role: "listitem" }, button);
  }));
  return () => {
    mounted.delete(parentElement);
    root.remove();
  };
}

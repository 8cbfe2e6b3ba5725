// Called by Streamlit for every rerun, and once more when the viewer leaves the page.

import { Viewer } from "./viewer.js";
import { element } from "./element.js";

const mounted = new WeakMap(); // Streamlit's parent element -> viewer

export function mount({ data, parentElement, setTriggerValue }) {
  let viewer = mounted.get(parentElement);
  if (!viewer) {
    const root = element("div", { className: "slice-viewer" });
    const style = element("link", { rel: "stylesheet", href: new URL("viewer.css", import.meta.url).href });
    parentElement.append(style, root);
    viewer = new Viewer(root);
    mounted.set(parentElement, viewer);
  }
  viewer.update(data, setTriggerValue);
  return () => {
    mounted.delete(parentElement);
    viewer.destroy();
  };
}

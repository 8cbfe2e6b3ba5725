// Tells Python when the page's theme becomes another one, so that figures which Python colours are drawn anew.

import { element } from "./element.js";

const mounted = new WeakMap(); // Streamlit's parent element -> probe
let count = 0; // rises, so that each change is another one

export function mount({ parentElement, setTriggerValue }) {
  let probe = mounted.get(parentElement);
  if (!probe) {
    probe = element("span", { "aria-hidden": "true" });
    probe.style.cssText = "position: absolute; color: var(--st-text-color); transition: color 1ms;";
    probe.addEventListener("transitionend", () => probe.changed());
    parentElement.append(probe);
    mounted.set(parentElement, probe);
  }
  probe.changed = () => setTriggerValue("changed", ++count);
  return () => {
    mounted.delete(parentElement);
    probe.remove();
  };
}

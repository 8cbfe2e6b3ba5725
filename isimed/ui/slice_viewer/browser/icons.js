// Small pictures on buttons; each button says its name in words as well.

import { element } from "./element.js";

const PATHS = {
  contour: "M8 2.5c3.5 0 5.5 2.4 5.5 5.3S11.2 13.5 8 13.5 2.5 11 2.5 8 4.5 2.5 8 2.5z",
  fill: "M8 2.5c3.5 0 5.5 2.4 5.5 5.3S11.2 13.5 8 13.5 2.5 11 2.5 8 4.5 2.5 8 2.5zM4 10l6-6M6 12l6.5-6.5",
  off: "M8 2.5c3.5 0 5.5 2.4 5.5 5.3S11.2 13.5 8 13.5 2.5 11 2.5 8 4.5 2.5 8 2.5zM2.5 13.5l11-11",
  drag: "M8 2v12M2 8h12M5.5 4.5 8 2l2.5 2.5M5.5 11.5 8 14l2.5-2.5",
  distance: "M2.5 13.5l11-11M1.5 12l2.5 2.5M12 1.5l2.5 2.5M6 8.5l1.5 1.5M8.5 6l1.5 1.5",
  circle: "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2zM8 8h6",
  link: "M6.5 9.5l3-3M7.5 5l1.6-1.6a2.5 2.5 0 0 1 3.5 3.5L11 8.5M8.5 11l-1.6 1.6a2.5 2.5 0 0 1-3.5-3.5L5 7.5",
  solid: "M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8l5.5-3M8 8v6.2",
  picture: "M2 4.5h3L6 3h4l1 1.5h3v8.5H2zM8 6a2.5 2.5 0 1 0 0 5 2.5 2.5 0 1 0 0-5z",
  reset: "M3 3v3.5h3.5M3.3 6.2A5.3 5.3 0 1 1 2.7 9",
};

/** Of the button for the full screen. */
export const CORNERS = '<svg width="12" height="12" viewBox="0 0 12 12" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true"><path d="M1 4V1h3M8 1h3v3M11 8v3H8M4 11H1V8"/></svg>';

/** What stands in a button: its picture, and its name, which a narrow panel leaves to the tooltip. */
export function face(icon, words) {
  const picture = element("span", { className: "icon", "aria-hidden": "true",
    innerHTML: `<svg width="15" height="15" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"><path d="${PATHS[icon]}"/></svg>` });
  return [picture, element("span", { className: "word", textContent: words })];
}

// What keys and mouse do, said on "?".

import { element } from "./element.js";

const KEYS = [
  ["Click, Enter", "choose the place; the other patients are searched"],
  ["Wheel, ↑ ↓", "next or previous slice; Page Up and Page Down: ten"],
  ["Shift and arrows", "move the crosshair by one voxel"],
  ["Ctrl and wheel, + −", "zoom"],
  ["Shift or middle drag", "move the picture"],
  ["Right drag", "level and width of the window"],
  ["1 to 9", "window presets"],
  ["0, double click", "whole body, first window"],
  ["D, C", "measure a distance, a circle: once at each end of it, Escape to stop"],
  ["M", "slab of 10 mm: brightest, darkest, mean; then one slice again"],
  ["F", "this plane on the full screen, and back"],
  ["3-D (button)", "the scan in 3-D, cut at the place; drag or arrow keys turn it, Escape closes it"],
  ["P, Shift and P", "save this plane, or all, as a picture"],
  ["Tab", "next plane or button"],
  ["?", "this help"],
];

export function toggleHelp(viewer) {
  if (viewer.help.childElementCount) return closeHelp(viewer);
  const rows = KEYS.map(([keys, what]) => element("div", {}, element("dt", { textContent: keys }), element("dd", { textContent: what })));
  const close = element("button", { textContent: "Close", onclick: () => closeHelp(viewer) });
  viewer.help.replaceChildren(element("strong", { textContent: "Keys and mouse, in the plane that has the focus" }),
    element("dl", {}, ...rows), close);
  viewer.help.hidden = false;
  viewer.beforeHelp = viewer.root.getRootNode().activeElement;
  close.focus();
}

function closeHelp(viewer) {
  viewer.help.replaceChildren();
  viewer.help.hidden = true;
  viewer.beforeHelp?.focus();
}

export function helpBox(viewer) {
  return element("div", { className: "help", role: "dialog", "aria-label": "Keys and mouse", hidden: true,
    onkeydown: (event) => {
      if (event.key !== "Escape" && event.key !== "?") return;
      event.preventDefault();
      event.stopPropagation();
      closeHelp(viewer);
    } });
}

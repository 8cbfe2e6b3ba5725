// The row of controls above the planes.

import { link } from "./link.js";
import { heatGradient } from "./overlays.js";

const LABEL_MODES = { contour: "fill", fill: "off", off: "contour" };

/** An element with properties (role and aria-* as attributes) and children. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.startsWith("aria-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter(Boolean));
  return node;
}

export class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.root = element("div", { className: "toolbar", role: "toolbar", "aria-label": "Slice viewer" });
  }

  update() {
    const { convention, data, dragMode, labelMode, window } = this.viewer;
    this.root.hidden = !data.controls;
    const shown = JSON.stringify([convention, window, dragMode, labelMode, data.presets, !data.labels, data.heat, data.link, link.on]);
    if (!data.controls || shown === this.shown) return; // the keyboard's place survives a rerun
    this.shown = shown;
    // What an overlay means comes first: where the panel is low, the rest is scrolled.
    const parts = [this.heat(), this.labels(), this.convention(), this.presets(), this.dragMode(), this.link(), this.reset()];
    this.root.replaceChildren(...parts.filter(Boolean));
  }

  convention() {
    const { viewer } = this;
    const radiological = viewer.convention === "radiological";
    return element("button", {
      className: "convention",
      textContent: radiological ? "Radiological · R on the left" : "Neurological · R on the right",
      title: "Which side of the picture is the patient's right. Click to switch.",
      onclick: () => this.keepingFocus(".convention", () => viewer.toggleConvention()),
    });
  }

  presets() {
    const { viewer } = this;
    const { level, width } = viewer.window;
    return element("span", { className: "group", role: "group", "aria-label": "Window presets" },
      ...viewer.data.presets.map((preset, index) => element("button", {
        className: `preset-${index}`,
        textContent: preset.name,
        title: `Level ${round(preset.level)}, width ${round(preset.width)} (key ${index + 1})`,
        "aria-pressed": preset.level === level && preset.width === width,
        onclick: () => this.keepingFocus(`.preset-${index}`, () => viewer.setPreset(index)),
      })),
      element("span", { className: "window", textContent: `L ${round(level)}  W ${round(width)}`, title: "Level and width" }));
  }

  dragMode() {
    const { viewer } = this;
    const on = viewer.dragMode === "window";
    return element("button", {
      className: "drag-mode", textContent: "Drag sets window", "aria-pressed": on,
      title: "Left drag changes level and width. The right mouse button always does.",
      onclick: () => this.keepingFocus(".drag-mode", () => {
        viewer.dragMode = on ? "click" : "window";
        this.update();
      }),
    });
  }

  link() {
    if (!this.viewer.data.link) return null;
    return element("button", {
      className: "link", textContent: "Linked", "aria-pressed": link.on,
      title: "Scrolling one patient moves the others by the same millimetres. A click searches anew.",
      onclick: () => this.keepingFocus(".link", () => {
        link.on = !link.on;
        this.update();
      }),
    });
  }

  labels() {
    const { viewer } = this;
    if (!viewer.data.labels) return null;
    return element("button", {
      className: "labels", textContent: `Labels: ${viewer.labelMode}`, title: "Contour, fill or off",
      onclick: () => this.keepingFocus(".labels", () => {
        viewer.labelMode = LABEL_MODES[viewer.labelMode];
        this.update();
        viewer.redraw();
      }),
    });
  }

  heat() {
    const { viewer } = this;
    const { heat } = viewer.data;
    if (!heat) return null;
    const ramp = element("span", { className: "ramp" });
    ramp.style.background = heatGradient();
    const slider = element("input", {
      type: "range", min: 0, max: 1, step: 0.05, value: viewer.heatOpacity, "aria-label": `Opacity of ${heat.title}`,
      oninput: () => viewer.look({ heatOpacity: Number(slider.value) }),
    });
    return element("span", { className: "group heat" }, element("span", { textContent: heat.title }),
      element("span", { textContent: heat.weak }), ramp, element("span", { textContent: heat.strong }), slider);
  }

  reset() {
    return element("button", { className: "reset", textContent: "Reset", title: "Whole body, first window (double click, or key 0)",
      onclick: () => this.keepingFocus(".reset", () => this.viewer.reset()) });
  }

  /** The buttons are made anew by an update: give the keyboard back its place. */
  keepingFocus(selector, action) {
    action();
    this.root.querySelector(selector)?.focus();
  }
}

function round(value) {
  return Number(value.toPrecision(4)).toString();
}

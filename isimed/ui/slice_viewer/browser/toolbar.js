// The row of controls above the planes.

import { element } from "./element.js";
import { toggleHelp } from "./help.js";
import { face } from "./icons.js";
import { link } from "./link.js";
import { TOOLS } from "./measure.js";
import { toggleSolid } from "./solid.js";
import { heatGradient } from "./overlays.js";
import { SLAB_KINDS } from "./voxels.js";

const SLABS_MM = [5, 10, 20, 40];
const LABEL_MODES = { contour: "fill", fill: "off", off: "contour" };

export class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.root = element("div", { className: "toolbar", role: "toolbar", "aria-label": "Slice viewer" });
  }

  update() {
    const { convention, data, dragMode, labelMode, slab, tool, window } = this.viewer;
    this.root.hidden = !data.controls;
    const shown = JSON.stringify([convention, window, dragMode, labelMode, data.presets, data.labels?.url, slab, tool, data.measures_here, data.heat, data.link, link.on]);
    if (!data.controls || shown === this.shown) return; // the keyboard's place survives a rerun
    this.shown = shown;
    const lists = element("span", { className: "group" }, this.presets(), this.slab());
    const buttons = element("span", { className: "group buttons" },
      this.dragMode(), ...this.tools(), this.link(), ...this.more(), this.reset());
    this.root.replaceChildren(...[this.heat(), this.labels(), this.convention(), lists, buttons].filter(Boolean));
  }

  convention() {
    const { viewer } = this;
    const radiological = viewer.convention === "radiological";
    const { level, width } = viewer.window;
    const button = element("button", {
      className: "convention",
      title: `The patient's right is on the ${radiological ? "left" : "right"} of the picture. Click to switch.`,
      onclick: () => this.keepingFocus(".convention", () => viewer.toggleConvention()),
    }, radiological ? "Radiological" : "Neurological",
    element("span", { className: "word", textContent: radiological ? " · R on the left" : " · R on the right" }));
    return element("span", { className: "group" }, button,
      element("span", { className: "window", textContent: `L ${round(level)}  W ${round(width)}`, title: "Level and width of the window" }));
  }

  presets() {
    const { viewer } = this;
    const { level, width } = viewer.window;
    const chosen = viewer.data.presets.findIndex((preset) => preset.level === level && preset.width === width);
    const options = viewer.data.presets.map((preset, n) => [n, `${preset.name} (${n + 1})`]);
    return this.choice("presets", "Window", chosen < 0 ? [[-1, "Own window"], ...options] : options, chosen,
      (value) => value >= 0 && viewer.setPreset(Number(value)));
  }

  slab() {
    const { viewer } = this, { slab } = viewer;
    const thick = SLAB_KINDS.flatMap((kind) => SLABS_MM.map((mm) => [`${kind} ${mm}`, `${kind} ${mm} mm`]));
    return this.choice("slab", "Slab", [["", "One slice"], ...thick], slab ? `${slab.kind} ${slab.mm}` : "", (value) => {
      const [kind, mm] = value.split(" ");
      viewer.setSlab(value ? { kind, mm: Number(mm) } : null);
    });
  }

  /** A list to choose one from: [value, words] each. */
  choice(className, name, options, chosen, act) {
    const list = element("select", { className, title: name, "aria-label": name,
      onchange: () => this.keepingFocus(`.${className}`, () => act(list.value)) },
    ...options.map(([value, words]) => element("option", { value, textContent: words, selected: String(value) === String(chosen) })));
    return list;
  }

  /** A button with a picture; `pressed` is undefined where it does not stay down. */
  button(className, icon, words, title, act, pressed) {
    return element("button", { className, title, "aria-label": words, ...(pressed === undefined ? {} : { "aria-pressed": pressed }),
      onclick: () => this.keepingFocus(`.${className}`, act) }, ...face(icon, words));
  }

  tools() {
    const { viewer } = this;
    if (!viewer.data.measures_here) return [];
    return Object.entries(TOOLS).map(([tool, words]) => this.button(`tool-${tool}`, tool, words,
      tool === "circle" ? "Circle: drag from the middle to the rim for mean, SD and area (key C)" : "Distance: drag from end to end, in mm (key D)",
      () => viewer.take(viewer.tool === tool ? null : tool), viewer.tool === tool));
  }

  more() {
    const { viewer } = this;
    return [
      this.button("save", "picture", "Picture", "Save all planes, and those of linked patients, as PNG (Shift and P; P saves one plane)", () => viewer.save()),
      this.button("open-solid", "solid", "3-D", "The scan in 3-D, with the place", () => toggleSolid(viewer)),
      element("button", { className: "keys", textContent: "?", title: "Keys and mouse (?)", "aria-label": "Keys and mouse", onclick: () => toggleHelp(viewer) }),
    ];
  }

  dragMode() {
    const { viewer } = this;
    const on = viewer.dragMode === "window";
    return this.button("drag-mode", "drag", "Drag sets window", "Left drag changes level and width of the window. The right mouse button always does.", () => {
      viewer.dragMode = on ? "click" : "window";
      this.update();
    }, on);
  }

  link() {
    if (!this.viewer.data.link) return null;
    return this.button("link", "link", "Linked", "Linked: scrolling one patient moves the others by the same millimetres. A click searches anew.", () => {
      link.on = !link.on;
      this.update();
    }, link.on);
  }

  labels() {
    const { viewer } = this, { labels } = viewer.data;
    if (!labels) return null;
    const words = `Labels: ${viewer.labelMode}`;
    const mode = this.button("labels", viewer.labelMode, words, `${words}. Click for contour, fill or off.`, () => {
      viewer.labelMode = LABEL_MODES[viewer.labelMode];
      this.update();
      viewer.redraw();
    });
    return element("span", { className: "group labelled" }, mode, this.legend(labels));
  }

  /** Every label with its colour and a switch. */
  legend({ names }) {
    const { viewer } = this;
    const { hidden } = viewer;
    return element("span", { className: "legend", role: "group", "aria-label": "Labels that are shown" },
      ...names.map(({ value, name, colour }) => {
        const box = element("input", { type: "checkbox", checked: !hidden.has(value), onchange: () => {
          if (box.checked) hidden.delete(value);
          else hidden.add(value);
          viewer.redraw();
        } });
        const swatch = element("span", { className: "swatch" });
        swatch.style.background = colour;
        return element("label", {}, box, swatch, element("span", { textContent: name }));
      }));
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
    const scale = element("span", { className: "scale" }, element("span", { textContent: heat.weak }), ramp, element("span", { textContent: heat.strong }));
    return element("span", { className: "group heat" }, element("span", { textContent: heat.title }), slider, scale);
  }

  reset() {
    return this.button("reset", "reset", "Reset", "Whole body, first window (double click, or key 0)", () => this.viewer.reset());
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

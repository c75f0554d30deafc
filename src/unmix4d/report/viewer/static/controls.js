// The controls: what can be chosen, as elements of a form that the keyboard reaches.

import { SCALE_NAMES } from "./colors.js";
import { make } from "./panel.js";

export const LOWEST_THRESHOLD = 0.5;

export function labelled(words, control) {
  return make("label", {}, make("span", {}, words), control);
}

export function choice(name, options, act) {
  const select = make("select", { name, onchange: (event) => act(event.target.value) });
  select.append(...options.map(([value, words]) => make("option", { value }, words)));
  return select;
}

function slider(name, low, high, step, act) {
  return make("input", {
    name,
    type: "range",
    min: low,
    max: high,
    step,
    oninput: (e) => act(Number(e.target.value)),
  });
}

export function number(name, step, act) {
  return make("input", { name, type: "number", step, onchange: (event) => act(Number(event.target.value)) });
}

/** Maps that can be shown for the factors of a k: [value, words]. */
export function mapChoices(factors, live) {
  if (!factors.full)
    return [
      ["clusters", "clusters"],
      ["bright", "bright field"],
      ["dark", "dark field"],
    ];
  const weights = factors.roles.map((role, i) => [`weight:${i}`, `weight of component ${i}`]);
  return [
    ["clusters", "clusters"],
    ["overlap", "overlap level"],
    ["ratio", "overlap ratio"],
    ["stability", "stability over k"],
    ["bright", "bright field"],
    ["dark", "dark field"],
    ["virtual", live ? "virtual image" : "virtual image (from components)"],
    ...weights,
  ];
}

/** The tools, of which one is in use: [value, words]. */
export function toolChoice(explorer, tools) {
  const radios = tools.map(([value, words]) => {
    const radio = make("input", {
      type: "radio",
      name: "tool",
      value,
      onchange: () => explorer.update({ tool: value }),
    });
    return make("label", { class: "radio" }, radio, words);
  });
  return make("fieldset", {}, make("legend", {}, "Tool"), ...radios);
}

export const CONTRASTS = [
  ["gamma", "power"],
  ["log", "logarithm"],
  ["linear", "linear"],
];

/** How patterns are drawn. */
export function contrastControls(explorer) {
  const set = (name) => (value) => explorer.update({ [name]: value });
  const percent = (v) => explorer.update({ percent: Math.min(100, Math.max(50, v || 99.8)) });
  const scales = SCALE_NAMES.map((n) => [n, n]);
  return [
    labelled("Contrast", choice("contrast", CONTRASTS, set("contrast"))),
    labelled("Power", slider("gamma", 0.1, 1, 0.05, set("gamma"))),
    labelled("White at percentile", number("percent", 0.1, percent)),
    labelled("Colours of patterns", choice("scale", scales, set("scale"))),
  ];
}

export function themeChoice(explorer) {
  const themes = [
    ["auto", "as the system"],
    ["light", "light"],
    ["dark", "dark"],
  ];
  return labelled(
    "Theme",
    choice("theme", themes, (theme) => explorer.update({ theme })),
  );
}

/** What is drawn, and how: the bar above everything. */
export function toolbar(explorer) {
  const set = (name) => (value) => explorer.update({ [name]: value });
  const { run, state } = explorer;
  const ks = run.ks.map((k) => [k, run.hasFactors(k) ? `${k}` : `${k} (labels only)`]);
  const safe = make("input", {
    type: "checkbox",
    name: "safe",
    onchange: (e) => explorer.update({ safe: e.target.checked }),
  });
  return make(
    "form",
    { class: "toolbar", onsubmit: (event) => event.preventDefault() },
    labelled("Map", choice("map", [], set("map"))),
    labelled(
      "k",
      choice("k", ks, (value) => explorer.update({ k: Number(value) })),
    ),
    toolChoice(explorer, [
      ["probe", "Look"],
      ["line", "Line"],
      ["detector", "Detector"],
    ]),
    ...contrastControls(explorer),
    make("label", { class: "radio" }, safe, "colour-blind-safe levels"),
    themeChoice(explorer),
    make("output", { class: "hint" }, state.hint ?? ""),
  );
}

/** The threshold of overlap, with marks where the overlap map has its levels. */
export function thresholdBox(explorer) {
  const marks = explorer.run.manifest.thresholds;
  const id = `marks-${explorer.id}`;
  const input = slider("threshold", LOWEST_THRESHOLD, 1, 0.01, (value) => explorer.update({ threshold: value }));
  input.setAttribute("list", id);
  const buttons = marks.map((mark) =>
    make(
      "button",
      { type: "button", onclick: () => explorer.update({ threshold: mark }) },
      `${Math.round(100 * mark)} %`,
    ),
  );
  return make(
    "div",
    { class: "threshold" },
    labelled("Overlap from a ratio of", input),
    make("datalist", { id }, ...marks.map((mark) => make("option", { value: mark }))),
    make("output", { name: "threshold-told" }),
    make("span", { class: "marks" }, ...buttons),
  );
}

/** Ends of the line and number of patterns. */
export function lineBox(explorer) {
  const change = (name, low, high) => (value) => {
    const kept = Math.min(high, Math.max(low, Math.round(value)));
    if (name === "n") explorer.update({ n: kept });
    else explorer.update({ line: { ...explorer.lineOrDefault(), [name]: kept } });
  };
  const { height, width } = explorer.run;
  const ends = [
    ["y0", "from row", height],
    ["x0", "column", width],
    ["y1", "to row", height],
    ["x1", "column", width],
  ];
  return make(
    "div",
    { class: "fields" },
    ...ends.map(([name, words, n]) => labelled(words, number(`line-${name}`, 1, change(name, 0, n - 1)))),
    labelled("patterns", number("line-n", 1, change("n", 2, 12))),
    make("button", { type: "button", name: "csv", onclick: () => explorer.saveProfile() }, "CSV of the profile"),
  );
}

/** Centre and radii of the virtual detector. */
export function detectorBox(explorer) {
  const change = (name) => (value) => explorer.setDetector({ ...explorer.detectorOrDefault(), [name]: value });
  const fields = [
    ["cy", "centre row"],
    ["cx", "column"],
    ["inner", "inner radius"],
    ["outer", "outer radius"],
  ];
  return make(
    "div",
    { class: "fields" },
    ...fields.map(([name, words]) => labelled(words, number(`detector-${name}`, 0.5, change(name)))),
    make(
      "button",
      { type: "button", onclick: () => explorer.setDetector(explorer.presetDetector("bright")) },
      "bright field",
    ),
    make(
      "button",
      { type: "button", onclick: () => explorer.setDetector(explorer.presetDetector("dark")) },
      "annular dark field",
    ),
    make("progress", { max: 1, value: 0, hidden: true }),
    make("output", { name: "virtual-told", role: "status" }),
    make(
      "button",
      { type: "button", name: "cancel", hidden: true, onclick: () => explorer.cancelVirtual() },
      "Cancel",
    ),
  );
}

/** Show a state in the controls. */
export function reflect(root, explorer) {
  const { state } = explorer;
  const fill = (name, value) => {
    const control = root.querySelector(`[name="${name}"]`);
    if (control && document.activeElement !== control && control.value !== String(value)) control.value = value;
  };
  for (const name of ["k", "map", "contrast", "gamma", "percent", "scale", "theme"]) fill(name, state[name]);
  const threshold = root.querySelector('[name="threshold"]');
  if (Number(threshold.value) !== state.threshold) threshold.value = state.threshold;
  root.querySelector('[name="gamma"]').disabled = state.contrast !== "gamma";
  root.querySelector(`[name="tool"][value="${state.tool}"]`).checked = true;
  root.querySelector('[name="safe"]').checked = state.safe;
  const line = explorer.lineOrDefault();
  for (const name of ["y0", "x0", "y1", "x1"]) fill(`line-${name}`, line[name]);
  fill("line-n", state.n);
  const detector = explorer.detectorOrDefault();
  for (const [name, value] of Object.entries(detector)) fill(`detector-${name}`, Number(value.toFixed(1)));
}

// What the map shows: its colours, its legend, and what is said of one probe.

import { percentile } from "./arrays.js";
import { hex, paintLabels, paintValues, rgb, scaleColors } from "./colors.js";
import { told } from "./chart.js";
import { make } from "./panel.js";
import { overlapLevels, stabilityMap } from "./model.js";

// What reaches the chosen threshold, but no level.
const BELOW_LEVELS = "#c9a0dc";
const BELOW_LEVELS_SAFE = "#ffffff";
const GREYS = [0.36, 0.6, 0.45, 0.69, 0.52];
const MAP_SCALE = "viridis";

export function componentColor(factors, component) {
  return factors.color(factors.crystals[component]);
}

export function componentName(factors, i) {
  const [role, crystal] = [factors.roles[i], factors.crystals[i]];
  if (role === "component") return `component ${i}`;
  return `${i}: ${crystal < 0 ? role : factors.names[crystal]}`;
}

function levelColors({ run, state }) {
  const { levels, levels_safe: safe } = run.manifest.colors;
  const colors = state.safe ? safe : levels;
  const n = run.manifest.thresholds.length;
  return Array.from({ length: n }, (_, i) => colors[Math.max(colors.length - n + i, 0)]);
}

/** Values of a map that is no map of labels: {values, low, high, unit}. */
export function valuesOf(explorer) {
  const { run, factors, state } = explorer;
  const [kind, index] = state.map.split(":");
  const counts = (values) => ({ values, low: 0, high: percentile(values, 99.8) || 1, unit: "counts" });
  if (kind === "ratio") {
    return { values: factors.ratio.map((v, p) => (factors.first[p] < 0 ? NaN : v)), low: 0, high: 1, unit: "" };
  }
  if (kind === "stability")
    return { values: explorer.cached("stability", () => stabilityMap(run, factors)), low: 0, high: 1, unit: "" };
  if (kind === "bright") return counts(run.maps.bright_field.data);
  if (kind === "dark") return counts(run.maps.dark_field.data);
  if (kind === "weight") return counts(factors.weights[Number(index)]);
  if (kind === "virtual") return counts(explorer.virtualImage());
  return null;
}

/** Colours of the map: RGBA, and elements of the legend. */
export function paintMap(explorer) {
  const { run, factors, state } = explorer;
  const drawn = valuesOf(explorer);
  if (drawn) {
    const { values, low, high, unit } = drawn;
    const rgba = paintValues(values, (v) => (v - low) / (high - low), MAP_SCALE);
    return { rgba, legend: [scaleLegend(told(low), `${told(high)} ${unit}`)] };
  }
  if (state.map === "overlap") return paintOverlap(explorer);
  const rgba = paintLabels(factors.labels, [factors.color(-1), ...factors.colors]);
  return { rgba, legend: clusterLegend(run, factors) };
}

function paintOverlap(explorer) {
  const { run, factors, state } = explorer;
  const { thresholds, colors } = run.manifest;
  const shades = levelColors(explorer);
  const levels = explorer.cached("levels", () => overlapLevels(factors, thresholds));
  const limit = Math.fround(state.threshold);
  const greys = GREYS.map((share) => hex([share, share, share].map((v) => Math.round(255 * v))));
  const { labels, ratio } = factors;
  const picked = new Int16Array(labels.length);
  for (let p = 0; p < labels.length; p++) {
    if (levels[p] >= 0 && ratio[p] >= limit) picked[p] = GREYS.length + levels[p];
    else picked[p] = labels[p] < 0 ? -1 : labels[p] % GREYS.length;
  }
  const below = state.safe ? BELOW_LEVELS_SAFE : BELOW_LEVELS;
  const table = [colors.none, ...greys, below, ...shades];
  const legend = thresholds.map((t, i) => chip(shades[i], `≥ ${Math.round(100 * t)} %`));
  legend.unshift(chip(below, `below ${Math.round(100 * thresholds[0])} %`));
  legend.push(chip(greys[0], "less overlap: clusters in greys"), chip(colors.none, "none"));
  return { rgba: paintLabels(picked, table), legend };
}

export function chip(color, words) {
  const [red, green, blue] = rgb(color);
  return make(
    "span",
    { class: "key" },
    make("span", { class: "chip", style: `background:rgb(${red} ${green} ${blue})` }),
    words,
  );
}

function clusterLegend(run, factors) {
  const counts = new Uint32Array(factors.nCrystals + 1);
  for (const label of factors.labels) counts[label + 1]++;
  const share = (n) => `${((100 * n) / run.nProbes).toFixed(1)} %`;
  const keys = factors.names.map((name, i) => chip(factors.colors[i], `${name}, ${share(counts[i + 1])}`));
  return [...keys, chip(run.manifest.colors.none, `none, ${share(counts[0])}`)];
}

export function scaleLegend(low, high) {
  const table = scaleColors(MAP_SCALE);
  const stops = [0, 51, 102, 153, 204, 255].map((i) => hex([...table.subarray(3 * i, 3 * i + 3)]));
  const bar = make("span", { class: "ramp", style: `background:linear-gradient(to right, ${stops.join(", ")})` });
  return make("span", { class: "key" }, low, bar, high);
}

/** Where a probe is in the scan that was measured. */
export function probeName(run, { y, x }) {
  const { stride } = run.manifest.scan;
  return `(${y * stride}, ${x * stride})`;
}

/** All that is said of one probe in one line. */
export function tellProbe(explorer, probe) {
  const { run, factors, state } = explorer;
  const p = run.index(probe);
  const label = factors.labels[p];
  const parts = [`(row, col) = ${probeName(run, probe)}`, label < 0 ? "no crystal" : factors.names[label]];
  if (factors.full && factors.first[p] >= 0) {
    const second =
      factors.second[p] < 0 ? "alone" : `${factors.tags[factors.second[p]]} over ${factors.tags[factors.first[p]]}`;
    parts.push(`ratio ${factors.ratio[p].toFixed(3)} (${second})`);
  }
  const drawn = state.map === "ratio" ? null : valuesOf(explorer);
  if (drawn) parts.push(`${told(drawn.values[p])} ${drawn.unit}`.trim());
  return parts.join(" · ");
}

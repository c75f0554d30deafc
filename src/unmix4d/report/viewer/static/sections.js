// Overlap, line and choice of k: tables and curves.

import { alongLine, overlapAt } from "./model.js";
import { download, make } from "./panel.js";
import { Picture } from "./picture.js";
import { told } from "./chart.js";
import { chip, componentColor, componentName } from "./maps.js";
import { showPattern, whiteOf } from "./patterns.js";

const MOST_PAIRS = 12;

/** Small pictures in a row, made when they are needed. */
export class Strip {
  constructor({ look, file, name, pressable }) {
    this.element = make("div", { class: "strip", "data-strip": name });
    this.options = { look, file };
    this.pressable = pressable ?? null;
    this.items = [];
  }

  fill(n) {
    while (this.items.length > n) this.items.pop().button.remove();
    while (this.items.length < n) {
      const i = this.items.length;
      const options = {
        ...this.options,
        title: "",
        name: "thumb",
        label: `pattern ${i}`,
        bare: true,
        focusable: false,
      };
      const picture = new Picture(options);
      const press = () => this.pressable?.(i);
      const button = make(this.pressable ? "button" : "div", {
        class: "thumb",
        type: this.pressable && "button",
        onclick: press,
      });
      button.append(picture.element);
      this.element.append(button);
      this.items.push({ picture, button });
    }
  }
}

/** Share of the area and pairs of crystals that overlap from the threshold on. */
export function showOverlap(explorer) {
  const { factors, state, root } = explorer;
  const output = root.querySelector('[name="threshold-told"]');
  const table = root.querySelector(".pairs");
  if (!factors.full) {
    output.textContent = `${state.threshold.toFixed(2)}: weights were not kept at k = ${factors.k}`;
    table.replaceChildren();
    return;
  }
  const { share, reached, assessed, pairs } = overlapAt(factors, state.threshold);
  explorer.overlap = { share, reached, assessed, pairs };
  const percent = Number.isNaN(share) ? "–" : `${(100 * share).toFixed(2)} %`;
  output.textContent = `${state.threshold.toFixed(2)}: ${percent} of the area, ${reached} of ${assessed} probes`;
  const { word } = factors;
  const head = make(
    "tr",
    {},
    ...[`${word} i`, `${word} j`, "probes", "mean ratio"].map((w) => make("th", { scope: "col" }, w)),
  );
  const rows = pairs
    .slice(0, MOST_PAIRS)
    .map(({ i, j, n, mean }) =>
      make(
        "tr",
        {},
        ...[i, j].map((c) => make("td", {}, chip(factors.color(c), factors.tags[c]))),
        make("td", {}, String(n)),
        make("td", {}, mean.toFixed(3)),
      ),
    );
  const more = pairs.length - rows.length;
  const caption =
    pairs.length === 0
      ? "No two overlap at this ratio."
      : `Pairs (i, j) that overlap${more > 0 ? `; ${more} more` : ""}`;
  table.replaceChildren(
    make("caption", {}, caption),
    make("thead", {}, pairs.length ? head : ""),
    make("tbody", {}, ...rows),
  );
}

/** Weights and ratio along the line, as [{name, color, ys}]. */
export function profileOf(explorer) {
  const { factors, run } = explorer;
  const points = alongLine(explorer.lineOrDefault());
  const places = points.map((point) => run.index(point));
  const series = factors.weights.map((map, i) => ({
    name: componentName(factors, i),
    color: componentColor(factors, i),
    ys: places.map((p) => map[p]),
  }));
  return { points, series, ratio: places.map((p) => (factors.first[p] < 0 ? null : factors.ratio[p])) };
}

export function showLine(explorer) {
  const { factors, profile, lineStrip, run } = explorer;
  if (!factors.full) {
    lineStrip.fill(0);
    profile.show(null);
    profile.say(`weights were not kept at k = ${factors.k}`);
    return;
  }
  const { points, series, ratio } = profileOf(explorer);
  const step = run.manifest.scan.step_nm;
  const xs = points.map(({ at }) => at * (step ?? run.manifest.scan.stride));
  const shown = series.filter(({ ys }) => ys.some((v) => v > 0));
  profile.show({
    xs,
    xLabel: step === null ? "distance (probes)" : "distance (nm)",
    left: { label: "weight (counts)", low: 0 },
    right: { label: "ratio", low: 0, high: 1 },
    series: [...shown, { name: "ratio", color: explorer.look().ink, ys: ratio, right: true, dash: [5, 4] }],
    marks: [],
  });
  explorer.root
    .querySelector(".profile-legend")
    .replaceChildren(
      ...shown.map(({ name, color }) => chip(color, name)),
      make("span", { class: "key" }, "- - ratio of second to first"),
    );
  tellProfile(explorer);
  showLinePatterns(explorer);
}

/** Say the values at the place of the profile that is pointed at. */
export function tellProfile({ profile, run }) {
  const { data, hovered } = profile;
  if (!data || hovered === null || hovered >= data.xs.length) {
    profile.say("Point at the curves to read their values.");
    return;
  }
  const unit = run.manifest.scan.step_nm === null ? "probes" : "nm";
  const values = data.series.map(({ name, ys }) => `${name} ${told(ys[hovered])}`);
  profile.say([`${told(data.xs[hovered])} ${unit}`, ...values].join(" · "));
}

function showLinePatterns(explorer) {
  const { factors, lineStrip, run, state } = explorer;
  const points = alongLine(explorer.lineOrDefault(), state.n);
  lineStrip.fill(points.length);
  const read = explorer.linePatterns;
  const patterns = points.map((point, i) => read?.[i] ?? factors.reconstruct(run.index(point)));
  const white = Math.max(...patterns.map((pattern) => whiteOf(explorer, pattern)));
  patterns.forEach((pattern, i) => {
    const { picture } = lineStrip.items[i];
    showPattern(explorer, picture, pattern, white);
    const { stride } = run.manifest.scan;
    picture.say(`${i + 1}: (${points[i].y * stride}, ${points[i].x * stride})`);
  });
  const source = read ? "measured" : "reconstructed from components and weights";
  explorer.root.querySelector(".line-told").textContent =
    `Patterns at ${points.length} points of the line, ${source}.`;
}

/** The profile as CSV: distance, probe, weights, ratio. */
export function profileCsv(explorer) {
  const { points, series, ratio } = profileOf(explorer);
  const { step_nm: step, stride } = explorer.run.manifest.scan;
  const head = [
    step === null ? "distance_probes" : "distance_nm",
    "row",
    "col",
    ...series.map((_, i) => `weight_${i}_counts`),
    "ratio",
  ];
  const rows = points.map(({ y, x, at }, i) =>
    [at * (step ?? stride), y * stride, x * stride, ...series.map(({ ys }) => ys[i]), ratio[i] ?? ""].join(","),
  );
  return `${[head.join(","), ...rows].join("\n")}\n`;
}

export function saveProfile(explorer) {
  if (explorer.factors.full)
    download(`${explorer.file}-profile.csv`, new Blob([profileCsv(explorer)], { type: "text/csv" }));
}

/** The curve of a criterion over k: the range of interest, the answer, the k that is shown. */
export function showDecision(explorer) {
  const { run, state, curve, root } = explorer;
  const { decision, sweep } = run.manifest;
  const found = decision.curves.find(({ name }) => name === state.criterion) ?? decision.curves[0];
  if (found) {
    const { k_low: low, k_high: high } = decision;
    const look = explorer.look();
    curve.show({
      xs: found.ks,
      padded: true,
      xLabel: "k, number of components",
      left: { label: found.name.replaceAll("_", " ") },
      series: [{ name: found.name, color: look.ink, ys: found.values, dots: found.ks.map((k) => k === state.k) }],
      bands: [{ from: low - 0.5, to: high + 0.5 }],
      marks: [
        { x: decision.k, color: look.accent },
        ...(state.k === decision.k ? [] : [{ x: state.k, color: look.ink, dash: [2, 3] }]),
      ],
    });
    const at = found.ks.indexOf(state.k);
    const choice = found.choice === null ? "" : ` · it would choose k = ${found.choice}`;
    curve.say(`k = ${state.k}: ${told(at < 0 ? null : found.values[at])} · ${found.better} is better${choice}`);
  }
  const crystals = `${decision.n_crystals} crystal${decision.n_crystals === 1 ? "" : "s"}`;
  const chosen = `The answer: k = ${decision.k} with ${crystals}, confidence ${decision.confidence}.`;
  const { stability, start } = sweep[state.k];
  const stable =
    stability === undefined || stability === null
      ? ""
      : ` Starts that fit about equally well agree to ${stability.toFixed(2)} (1 = the same components).`;
  const from = start ? ` Fitted from the start "${start}".` : "";
  const n = explorer.factors.nCrystals;
  const edited = explorer.factors.edited ? ` With the edits by hand there ${n === 1 ? "is" : "are"} ${n}.` : "";
  const other = state.k === decision.k ? "" : ` Shown now: k = ${state.k}.`;
  root.querySelector(".answer-told").textContent = chosen + edited + other;
  root.querySelector(".stability-told").textContent = `At k = ${state.k}:${from}${stable}`;
  root.querySelector(".reason-told").textContent = decision.reason;
  root.querySelector('[name="back"]').hidden = state.k === decision.k;
}

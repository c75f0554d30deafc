// What follows from components and weights: crystals, overlap, reconstruction, virtual images, profiles.

import { slices, unpack } from "./arrays.js";

/** One run: what is said of it, its maps, and the factors of each k, which are fetched once. */
export class Run {
  constructor(manifest, transport) {
    this.manifest = manifest;
    this.transport = transport;
    [this.height, this.width] = manifest.scan.shape;
    this.nProbes = this.height * this.width;
    this.ks = Object.keys(manifest.sweep)
      .map(Number)
      .sort((a, b) => a - b);
    this.known = new Map();
  }

  async open() {
    this.maps = unpack(await this.transport.part("maps"));
    this.componentLabels = slices(this.maps.component_labels);
    this.means = slices(this.maps.means);
    return this;
  }

  hasFactors(k) {
    return this.manifest.sweep[k].has === "factors";
  }

  /** Factors of a k, or its labels where nothing else was kept. */
  factors(k) {
    if (!this.known.has(k)) {
      this.known.set(k, this.hasFactors(k) ? this.load(k) : Promise.resolve(new Factors(this, k, null)));
    }
    return this.known.get(k);
  }

  async load(k) {
    return new Factors(this, k, unpack(await this.transport.part(`k${k}`)));
  }

  /** Colour of a crystal that nobody has changed, by its number. */
  paletteColor(number) {
    const { crystals } = this.manifest.colors;
    return crystals[number % crystals.length];
  }

  index({ y, x }) {
    return y * this.width + x;
  }
}

/** Components and weights of one k, and what follows from them; only `labels` where they were not kept. */
export class Factors {
  constructor(run, k, arrays) {
    this.run = run;
    this.k = k;
    this.told = run.manifest.sweep[k];
    this.chosen = k === run.manifest.decision.k;
    this.full = arrays !== null;
    this.roles = this.told.roles ?? Array(k).fill("component");
    this.crystals = this.told.crystals ?? Array.from({ length: k }, (_, i) => i);
    this.nCrystals = Math.max(-1, ...this.crystals) + 1;
    this.numbers = Array.from({ length: this.nCrystals }, (_, i) => i);
    this.members = this.numbers.map((n) => this.crystals.flatMap((crystal, i) => (crystal === n ? [i] : [])));
    this.names = this.numbers.map((i) => `${this.word} ${i}`);
    this.tags = this.numbers.map(String);
    this.colors = this.numbers.map((i) => run.paletteColor(i));
    this.means = this.chosen ? run.means.map((pattern) => ({ pattern, of: null })) : [];
    if (!this.full) {
      this.labels = Int16Array.from(run.componentLabels[run.ks.indexOf(k)]);
      return;
    }
    this.components = slices(arrays.components);
    this.weights = slices(arrays.weights);
    this.patternShape = arrays.components.shape.slice(1);
    this.pixels = arrays.pixels.data;
    this.bin = this.told.bin;
    this.crystalWeights = this.chosen ? slices(arrays.crystal_weights) : crystalWeights(this, run.nProbes);
    Object.assign(this, this.chosen ? stored(run.maps) : strongest(this.crystalWeights, arrays.seen.data));
  }

  /** What a cluster is called: crystals where roles are known, components elsewhere. */
  get word() {
    return this.told.crystals && this.roles[0] !== "component" ? "crystal" : "component";
  }

  /** Colour of a crystal, by its index. */
  color(crystal) {
    return crystal < 0 ? this.run.manifest.colors.none : this.colors[crystal];
  }

  /** Pattern of a probe as its components and weights give it, in counts. */
  reconstruct(probe) {
    return this.combine(this.weights.map((map) => map[probe]));
  }

  /** Sum of components, each by its weight. */
  combine(weights) {
    const out = new Float32Array(this.components[0].length);
    weights.forEach((weight, i) => {
      const component = this.components[i];
      if (weight) for (let p = 0; p < out.length; p++) out[p] += weight * component[p];
    });
    return out;
  }

  /** Mean of what is reconstructed for some clusters together. */
  clusterMean(crystals) {
    const inside = Uint8Array.from(this.labels, (label) => (crystals.includes(label) ? 1 : 0));
    const sums = this.weights.map((map) => {
      let sum = 0;
      for (let p = 0; p < map.length; p++) if (inside[p]) sum += map[p];
      return sum;
    });
    const n = inside.reduce((count, one) => count + one, 0);
    return this.combine(sums.map((sum) => (n ? sum / n : 0)));
  }

  /** Virtual image of a detector mask from components and weights, in counts. */
  virtual(mask) {
    const out = new Float32Array(this.run.nProbes);
    this.components.forEach((component, i) => {
      let share = 0;
      for (let p = 0; p < component.length; p++) if (mask[p]) share += component[p];
      const map = this.weights[i];
      for (let p = 0; p < out.length; p++) out[p] += share * map[p];
    });
    return out;
  }
}

function stored(maps) {
  return { labels: maps.labels.data, ratio: maps.ratio.data, first: maps.first.data, second: maps.second.data };
}

/** Bragg counts of each crystal: its components added up, each by the counts in its spots. */
function crystalWeights({ weights, crystals, nCrystals, told }, n) {
  const sums = Array.from({ length: nCrystals }, () => new Float64Array(n));
  weights.forEach((map, i) => {
    if (crystals[i] < 0) return;
    const sum = sums[crystals[i]];
    for (let p = 0; p < n; p++) sum[p] += told.shares[i] * map[p];
  });
  return sums.map((sum) => Float32Array.from(sum));
}

/** The two strongest crystals of each probe, and their ratio; -1 and 0 where there is none. */
export function strongest(crystals, seen) {
  const n = seen.length;
  const [labels, first, second] = [0, 1, 2].map(() => new Int16Array(n).fill(-1));
  const ratio = new Float32Array(n);
  for (let p = 0; p < n; p++) {
    let [one, two] = [-1, -1];
    crystals.forEach((map, i) => {
      if (one < 0 || map[p] > crystals[one][p]) [one, two] = [i, one];
      else if (two < 0 || map[p] > crystals[two][p]) two = i;
    });
    if (!seen[p] || one < 0 || crystals[one][p] <= 0) continue;
    labels[p] = first[p] = one;
    if (two < 0 || crystals[two][p] <= 0) continue;
    second[p] = two;
    ratio[p] = crystals[two][p] / crystals[one][p];
  }
  return { labels, ratio, first, second };
}

/** How much crystals overlap from a ratio on: share of the assessed probes, and pairs, most probes first. */
export function overlapAt({ ratio, first, second, nCrystals: n }, threshold) {
  const limit = Math.fround(threshold);
  const counts = new Uint32Array(n * n);
  const sums = new Float64Array(n * n);
  let [assessed, reached] = [0, 0];
  for (let p = 0; p < ratio.length; p++) {
    if (first[p] < 0) continue;
    assessed++;
    if (ratio[p] < limit) continue;
    reached++;
    const pair = Math.min(first[p], second[p]) * n + Math.max(first[p], second[p]);
    counts[pair]++;
    sums[pair] += ratio[p];
  }
  const pairs = [];
  counts.forEach((count, pair) => {
    if (count) pairs.push({ i: Math.floor(pair / n), j: pair % n, n: count, mean: sums[pair] / count });
  });
  pairs.sort((a, b) => b.n - a.n);
  return { assessed, reached, share: assessed ? reached / assessed : NaN, pairs };
}

/** Number of thresholds that each ratio reaches; -1 where it was not assessed. */
export function overlapLevels({ ratio, first }, thresholds) {
  const limits = thresholds.map(Math.fround);
  const levels = new Int16Array(ratio.length);
  for (let p = 0; p < levels.length; p++) {
    if (first[p] < 0) levels[p] = -1;
    else for (const limit of limits) if (ratio[p] >= limit) levels[p]++;
  }
  return levels;
}

/** Share of the k in the range of interest at which a probe stays in its cluster; NaN where it has none. */
export function stabilityMap(run, factors) {
  const { k_low: low, k_high: high } = run.manifest.decision;
  const others = run.ks.filter((k) => k >= low && k <= high && k !== factors.k);
  const kept = new Float32Array(run.nProbes);
  for (const k of others) {
    const labels = run.componentLabels[run.ks.indexOf(k)];
    const home = majority(labels, factors.labels, k, factors.nCrystals);
    for (let p = 0; p < kept.length; p++) {
      if (labels[p] >= 0 && home[labels[p]] === factors.labels[p]) kept[p] += 1 / others.length;
    }
  }
  return kept.map((share, p) => (factors.labels[p] < 0 || !others.length ? NaN : share));
}

/** For each of `n` clusters, the cluster of another map that holds most of its probes. */
function majority(labels, target, n, m) {
  const counts = Array.from({ length: n }, () => new Uint32Array(m));
  for (let p = 0; p < labels.length; p++) if (labels[p] >= 0 && target[p] >= 0) counts[labels[p]][target[p]]++;
  return counts.map((row) => row.indexOf(Math.max(...row)));
}

/** Probes along a line, one for each step of at most one probe, with the distance in probes from its start. */
export function alongLine({ y0, x0, y1, x1 }, n = null) {
  const length = Math.hypot(y1 - y0, x1 - x0);
  const steps = n === null ? Math.max(1, Math.ceil(length)) : n - 1;
  return Array.from({ length: steps + 1 }, (_, i) => {
    const share = steps ? i / steps : 0;
    return { y: Math.round(y0 + share * (y1 - y0)), x: Math.round(x0 + share * (x1 - x0)), at: share * length };
  });
}

/** Pixels of a disc (inner radius 0) or annulus; centre and radii in pixels, a pixel counts by its middle. */
export function detectorMask([height, width], { cy, cx, inner, outer }, bin = 1) {
  const mask = new Uint8Array(height * width);
  const middle = (bin - 1) / 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const distance = (y * bin + middle - cy) ** 2 + (x * bin + middle - cx) ** 2;
      mask[y * width + x] = distance <= outer ** 2 && distance >= inner ** 2 ? 1 : 0;
    }
  }
  return mask;
}

/** The direct beam as a disc, or an annulus about it. */
export function presetDetector({ shape, beam }, kind) {
  const side = Math.min(...shape);
  const [cy, cx, radius] = beam ?? [(shape[0] - 1) / 2, (shape[1] - 1) / 2, side / 16];
  if (kind === "bright") return { cy, cx, inner: 0, outer: radius };
  return { cy, cx, inner: 2 * radius, outer: Math.max(side / 2, 3 * radius) };
}

/** What a drag from a place does: change a rim, move the detector, or begin a new disc. */
export function changeDetector(old, from, reach) {
  const distance = (at, cy, cx) => Math.hypot(at.y - cy, at.x - cx);
  if (old) {
    const apart = distance(from, old.cy, old.cx);
    const near = (radius) => Math.abs(apart - radius) <= reach;
    if (near(old.outer)) return (at) => ({ ...old, outer: distance(at, old.cy, old.cx) });
    if (old.inner > 0 && near(old.inner)) return (at) => ({ ...old, inner: distance(at, old.cy, old.cx) });
    if (apart < old.outer) return (at) => ({ ...old, cy: old.cy + at.y - from.y, cx: old.cx + at.x - from.x });
  }
  return (at) => ({ cy: from.y, cx: from.x, inner: 0, outer: distance(at, from.y, from.x) });
}

/** Largest of 1, 2, 5, 10 ... x 10^n that is not longer. */
export function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  return Math.max(...[1, 2, 5, 10].filter((step) => step * power <= longest * (1 + 1e-9))) * power;
}

/** Scale bar of a picture `n` elements wide: {elements, label}. */
export function scaleBar(n, step, unit, share = 0.3) {
  if (step === null) {
    const length = Math.max(1, roundLength(Math.max(share * n, 1)));
    return { elements: length, label: `${length} ${unit === "nm" ? (length === 1 ? "probe" : "probes") : "px"}` };
  }
  const length = roundLength(Math.max(share * n, 0.5) * step);
  const shown = (value) => String(Number(value.toPrecision(6)));
  const large = unit === "nm" && length >= 1000;
  return { elements: length / step, label: large ? `${shown(length / 1000)} µm` : `${shown(length)} ${unit}` };
}

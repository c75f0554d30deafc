// Patterns: contrast, what is shown for a probe, and the components.

import { largest, percentile } from "./arrays.js";
import { MASKED, paintValues } from "./colors.js";
import { told } from "./chart.js";
import { scaleBar } from "./model.js";
import { download } from "./panel.js";
import { componentColor, componentName, probeName } from "./maps.js";

const LOG_STRENGTH = 1000;
const MOST_LETTERS = 18; // of the names beside bars

function shortened(words, most) {
  const letters = [...words];
  return letters.length > most
    ? `${letters
        .slice(0, most - 1)
        .join("")
        .trimEnd()}…`
    : words;
}

/** A function from counts to 0 ... 1; black is 0 counts. */
export function contrast({ contrast: kind, gamma }, white) {
  const top = white > 0 ? white : 1;
  if (kind === "log") return (v) => Math.log1p((LOG_STRENGTH * Math.max(v, 0)) / top) / Math.log1p(LOG_STRENGTH);
  const power = kind === "linear" ? 1 : gamma;
  return (v) => Math.max(v / top, 0) ** power;
}

/** Counts that are drawn white: a percentile outside the direct beam. */
export function whiteOf(explorer, values) {
  const white = percentile(values, explorer.state.percent, explorer.outsideBeam());
  return white > 0 ? white : largest(values);
}

export function patternBar(explorer) {
  const { bin } = explorer.factors;
  const step = explorer.run.manifest.pattern.step_inv_angstrom;
  if (step === null)
    return (n) => {
      const bar = scaleBar(n * bin, null, "px");
      return { ...bar, elements: bar.elements / bin };
    };
  return (n) => scaleBar(n, step * bin, "1/Å");
}

/** Draw a pattern into a picture with the contrast that is chosen. */
export function showPattern(explorer, picture, values, white = whiteOf(explorer, values)) {
  const share = contrast(explorer.state, white);
  const rgba = paintValues(values, share, explorer.state.scale, explorer.factors.pixels);
  picture.show(rgba, explorer.factors.patternShape, patternBar(explorer));
  picture.values = values;
}

function showDifference(explorer, picture, one, other) {
  const values = one.map((v, p) => v - other[p]);
  const most = percentile(values.map(Math.abs), explorer.state.percent, explorer.outsideBeam()) || 1;
  const rgba = paintValues(values, (v) => 0.5 + v / most / 2, "difference", explorer.factors.pixels);
  picture.show(rgba, explorer.factors.patternShape, patternBar(explorer));
  picture.values = values;
  picture.note = `red and blue: ± ${told(most)} counts`;
}

/** What a pattern shows, for other programs. */
export function patternData({ pictures, run, factors }, name) {
  const step = run.manifest.pattern.step_inv_angstrom;
  return { values: pictures[name].values, step: step === null ? null : step * factors.bin, unit: "1/A" };
}

/** Let a host that has Python write a pattern of the pinned probe for HyperSpy. */
export async function savePattern({ run, state }, picture, what) {
  try {
    const data = await run.transport.hspy({ what, k: state.k, ...state.probe });
    download(picture.fileName("hspy"), new Blob([data], { type: "application/x-hdf5" }));
  } catch (error) {
    picture.say(`not saved: ${error.message}`);
  }
}

/** A picture that has nothing to show says why. */
function empty(picture, words) {
  picture.values = null;
  picture.note = words;
  const [h, w] = picture.shape;
  const rgba = new Uint8ClampedArray(h * w * 4).map((_, i) => (i % 4 === 3 ? 255 : MASKED[i % 4]));
  picture.show(rgba, [h, w], null);
}

/** Measured pattern, filtered one, reconstruction and residual of the probe that is looked at. */
export function showProbe(explorer) {
  const { factors, pictures, run } = explorer;
  const probe = explorer.looked;
  const at = probeName(run, probe);
  const names = ["measured", "filtered", "reconstruction", "residual"];
  if (!factors.full) {
    for (const name of names)
      empty(pictures[name], `only labels were kept at k = ${factors.k}: run with --keep all`);
    tellPixel(explorer);
    return;
  }
  for (const name of names) pictures[name].note = "";
  const made = factors.reconstruct(run.index(probe));
  pictures.reconstruction.title = `Reconstruction at ${at}`;
  if (run.transport.live) showMeasured(explorer, made, at);
  else showMean(explorer, made);
  tellPixel(explorer);
}

function showMeasured(explorer, made, at) {
  const { pictures } = explorer;
  const seen = explorer.measured;
  pictures.measured.title = `Measured at ${at}`;
  if (!seen) {
    showPattern(explorer, pictures.reconstruction, made);
    empty(pictures.measured, explorer.trouble ?? "reading …");
    empty(pictures.residual, "");
    return;
  }
  const data = seen.measured.data;
  const reference = seen.filtered ? seen.filtered.data : data;
  const white = whiteOf(explorer, reference);
  showPattern(explorer, pictures.reconstruction, made, white);
  showPattern(explorer, pictures.measured, data, seen.filtered ? whiteOf(explorer, data) : white);
  pictures.filtered.element.hidden = !seen.filtered;
  if (seen.filtered) showPattern(explorer, pictures.filtered, reference, white);
  pictures.residual.title = `${seen.filtered ? "Filtered" : "Measured"} − reconstruction`;
  showDifference(explorer, pictures.residual, reference, made);
}

/** Without the scan: the measured mean of the probe's cluster, which a report keeps. */
function showMean(explorer, made) {
  const { factors, pictures, run } = explorer;
  showPattern(explorer, pictures.reconstruction, made);
  const crystal = factors.labels[run.index(explorer.looked)];
  const mean = factors.means[crystal];
  if (!mean) {
    const why =
      crystal < 0 ? "no crystal at this probe" : `measured means are kept at k = ${run.manifest.decision.k} only`;
    pictures.measured.title = "Measured mean of the cluster";
    pictures.residual.title = "Mean − its reconstruction";
    empty(pictures.measured, why);
    empty(pictures.residual, "");
    return;
  }
  const { pattern, of } = mean;
  const whose = of ? `the run's crystal${of.length > 1 ? "s" : ""} ${of.join(", ")}` : factors.names[crystal];
  pictures.measured.title = `Measured mean of ${whose}`;
  showPattern(explorer, pictures.measured, pattern);
  pictures.residual.title = `Mean of ${whose} − its reconstruction`;
  showDifference(
    explorer,
    pictures.residual,
    pattern,
    explorer.cached(`mean${crystal}`, () => (of ? explorer.base.clusterMean(of) : factors.clusterMean([crystal]))),
  );
}

/** Say the value under the pointer below every pattern. */
export function tellPixel(explorer) {
  const { pictures, pixel, factors, run } = explorer;
  for (const name of Object.keys(pictures)) {
    const { values, shape, note } = pictures[name];
    if (!values || !pixel) {
      pictures[name].say(note || "\u00a0");
      continue;
    }
    const value = values[pixel.y * shape[1] + pixel.x];
    const parts = [`(${pixel.y * factors.bin}, ${pixel.x * factors.bin})`, `${told(value)} counts`];
    const { beam, step_inv_angstrom: step } = run.manifest.pattern;
    if (beam && step !== null) {
      const middle = (factors.bin - 1) / 2;
      const distance = Math.hypot(
        pixel.y * factors.bin + middle - beam[0],
        pixel.x * factors.bin + middle - beam[1],
      );
      parts.push(`${(distance * step).toFixed(3)} 1/Å`);
    }
    pictures[name].say(parts.join(" · "));
  }
}

/** Weights of the probe that is looked at, as bars in the colours of the crystals. */
export function showWeights(explorer) {
  const { factors, bars, run } = explorer;
  const p = run.index(explorer.looked);
  bars.title = `Weights at ${probeName(run, explorer.looked)}, counts`;
  bars.show(
    !factors.full
      ? []
      : factors.weights.map((map, i) => ({
          label: shortened(componentName(factors, i), MOST_LETTERS),
          value: map[p],
          color: componentColor(factors, i),
        })),
  );
  bars.say(factors.full ? "" : `weights were not kept at k = ${factors.k}`);
}

/** All components, each framed in the colour of its crystal; a click shows the map of its weight. */
export function showComponents(explorer) {
  const { factors, strip } = explorer;
  strip.fill(factors.full ? factors.k : 0);
  if (!factors.full) return;
  factors.components.forEach((component, i) => {
    const { picture, button } = strip.items[i];
    showPattern(explorer, picture, component);
    const words = componentName(factors, i);
    picture.say(words);
    button.setAttribute("aria-label", `${words}: show the map of its weight`);
    button.setAttribute("aria-pressed", explorer.state.map === `weight:${i}`);
    button.style.borderColor = componentColor(factors, i);
  });
}

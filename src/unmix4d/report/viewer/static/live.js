// What a server reads from the scan: patterns and virtual images.

import { alongLine } from "./model.js";

/** Read the pattern of the probe that is looked at. */
export async function readProbe(explorer) {
  if (!explorer.run.transport.live || !explorer.factors.full) return;
  const { y, x } = explorer.looked;
  const place = `${y},${x}`;
  if (explorer.asked === place) return; // the click on what the pointer is at already
  explorer.asked = place;
  const signal = explorer.renew("reading");
  try {
    explorer.measured = await explorer.run.transport.pattern(y, x, signal);
    explorer.trouble = null;
  } catch (error) {
    if (signal.aborted) return;
    explorer.measured = explorer.asked = null;
    explorer.trouble = error.message;
  }
  if (signal.aborted) return;
  await explorer.update({ measured: null });
  if (explorer.measured && !signal.aborted) explorer.root.dataset.painted = place;
}

/** Read the patterns along the line. */
export async function readLine(explorer) {
  explorer.linePatterns = null;
  if (!explorer.run.transport.live || !explorer.factors.full) return;
  const signal = explorer.renew("readingLine");
  const read = [];
  try {
    for (const { y, x } of alongLine(explorer.lineOrDefault(), explorer.state.n)) {
      const { measured, filtered } = await explorer.run.transport.pattern(y, x, signal, "line");
      read.push((filtered ?? measured).data);
    }
  } catch {
    return; // the patterns stay reconstructed ones
  }
  if (signal.aborted) return;
  explorer.linePatterns = read;
  explorer.update({ linePatterns: null });
}

/** Read the exact virtual image, block by block; the one from the components stands until then. */
export async function readVirtual(explorer) {
  const signal = explorer.renew("readingVirtual");
  const say = (words) => (explorer.root.querySelector('[name="virtual-told"]').textContent = words);
  if (!explorer.run.transport.live)
    return say("From components and weights; `unmix4d explore` with the scan gives the exact image.");
  const [progress, cancel] = ["progress", '[name="cancel"]'].map((place) => explorer.root.querySelector(place));
  progress.hidden = cancel.hidden = false;
  const image = new Float32Array(explorer.run.nProbes);
  image.set(explorer.virtualImage());
  const quick = explorer.quickName ?? "From components";
  say(`${quick}; reading the scan …`);
  try {
    await explorer.run.transport.virtual(
      explorer.detectorOrDefault(),
      explorer.run.nProbes,
      (share, first, values) => {
        if (signal.aborted) return;
        image.set(values, first);
        explorer.exact = image;
        progress.value = share;
        explorer.update({ virtual: null });
      },
      signal,
    );
    if (!signal.aborted) say("Exact, from the scan.");
  } catch (error) {
    if (signal.aborted && explorer.readingVirtual.signal !== signal) return null;
    explorer.exact = null;
    explorer.update({ virtual: null });
    const still = `${quick[0].toLowerCase()}${quick.slice(1)}`;
    say(signal.aborted ? `Cancelled: ${still}.` : `${quick}: ${error.message}`);
  }
  if (explorer.readingVirtual.signal === signal) progress.hidden = cancel.hidden = true;
  return null;
}

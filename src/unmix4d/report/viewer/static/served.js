// A scan without a run, as the server gives it: first and exact sums, and the run that it starts.

import { unpack } from "./arrays.js";
import { Served } from "./transport.js";

export class ServedScan extends Served {
  /** What the first patterns tell: {mean, maximum, beam, stride, rows, columns}. */
  async sample() {
    const { mean, maximum, beam, shape } = unpack(await (await this.get("sample")).arrayBuffer());
    const [stride, rows, columns] = shape.data;
    const found = beam.data.length ? [...beam.data] : null;
    return { mean: mean.data, maximum: maximum.data, beam: found, stride, rows, columns };
  }

  /** Image of a detector from the first patterns: values (rows * columns). */
  async quick({ cy, cx, inner, outer }, signal) {
    const answer = await this.get(`quick?cy=${cy}&cx=${cx}&inner=${inner}&outer=${outer}`, signal);
    return unpack(await answer.arrayBuffer()).image.data;
  }

  /** Mean and largest values over all patterns: {mean, maximum}; `progress(share)` is told on the way. */
  async sums(nProbes, progress, signal) {
    let found = null;
    await this.stream("sums", signal, (n, values) => {
      progress(n / nProbes);
      const half = values.length / 2;
      if (half) found = { mean: values.subarray(0, half), maximum: values.subarray(half) };
    });
    if (!found) throw new Error("the scan could not be read to its end");
    return found;
  }

  async job() {
    return (await this.get("job")).json();
  }

  async kept(name) {
    return (await (await this.get(`kept?name=${encodeURIComponent(name)}`)).json()).kept;
  }

  async post(path, told) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(this.base + path, { method: "POST", headers, body: JSON.stringify(told) });
    if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
    return answer.json();
  }
}

/** An image of every `stride`-th probe as one of all probes. */
export function spread(image, { stride, columns }, [height, width]) {
  const out = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / stride) * columns;
    for (let x = 0; x < width; x++) out[y * width + x] = image[row + Math.floor(x / stride)];
  }
  return out;
}

/** Read the image of the detector from the first patterns; a newer question ends an older one. */
export async function readQuick(explorer) {
  const { run, sample } = explorer;
  const signal = explorer.renew("readingQuick");
  try {
    const image = await run.transport.quick(explorer.detectorOrDefault(), signal);
    if (signal.aborted) return false;
    explorer.quick = spread(image, sample, [run.height, run.width]);
  } catch (error) {
    if (!signal.aborted) explorer.tell("virtual-told", error.message);
    return false;
  }
  explorer.update({ virtual: null });
  return true;
}

/** Read every pattern for the exact mean and largest values. */
export async function readSums(explorer) {
  const { run, root } = explorer;
  const signal = explorer.renew("readingSums");
  const bar = root.querySelector('[name="sums-progress"]');
  const [begin, cancel] = ["sums", "sums-cancel"].map((name) => root.querySelector(`[name="${name}"]`));
  bar.hidden = cancel.hidden = false;
  begin.hidden = true;
  explorer.tell("sums-told", "reading every pattern …");
  try {
    const found = await run.transport.sums(run.nProbes, (share) => (bar.value = share), signal);
    explorer.sums = { ...found, of: `all ${run.nProbes} patterns` };
    explorer.tell("sums-told", "Exact, from all patterns.");
    explorer.update({ sums: null });
  } catch (error) {
    explorer.tell("sums-told", signal.aborted ? "Cancelled." : error.message);
    begin.hidden = false;
  }
  bar.hidden = cancel.hidden = true;
}

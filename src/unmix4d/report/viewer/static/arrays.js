// Packed arrays: a header in JSON, then values; see viewer/arrays.py, which writes them.

const PLAIN = { f4: Float32Array, i1: Int8Array, i2: Int16Array, u1: Uint8Array, u2: Uint16Array };
const STEPS = 255;
const MOST_SORTED = 16384; // values; as many as 128 x 128 pixels have

let halves = null;

/** Every number of 16 bits as a float. */
function halfTable() {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const rest = bits & 1023;
    if (exponent === 31) halves[bits] = rest ? NaN : sign * Infinity;
    else if (exponent) halves[bits] = sign * 2 ** (exponent - 15) * (1 + rest / 1024);
    else halves[bits] = sign * 2 ** -14 * (rest / 1024);
  }
  return halves;
}

/** Give {name: {data, shape}} of an ArrayBuffer. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, entry] of Object.entries(header)) {
    const size = entry.shape.reduce((a, b) => a * b, 1);
    arrays[name] = { shape: entry.shape, data: decode(buffer, 4 + length + entry.at, size, entry) };
  }
  return arrays;
}

function decode(buffer, at, size, { kind, shape, scale }) {
  if (kind in PLAIN) return new PLAIN[kind](buffer, at, size);
  const stored = kind === "f2" ? new Uint16Array(buffer, at, size) : new Uint8Array(buffer, at, size);
  const table = kind === "f2" ? halfTable() : Float32Array.from({ length: 256 }, (_, i) => (i / STEPS) ** 2);
  const out = new Float32Array(size);
  const each = size / Math.max(shape[0], 1);
  for (let i = 0; i < size; i++) out[i] = table[stored[i]] * scale[Math.floor(i / each)];
  return out;
}

/** The rows of a stack (n, ...) as views. */
export function slices({ data, shape }) {
  const each = shape[0] ? data.length / shape[0] : 0;
  return Array.from({ length: shape[0] }, (_, i) => data.subarray(i * each, (i + 1) * each));
}

export function unbase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** The value below which a share (percent) of the values lies; of many values, of every n-th of them. */
export function percentile(values, percent, mask = null) {
  const stride = Math.ceil(values.length / MOST_SORTED) | 1;
  const picked = new Float32Array(Math.ceil(values.length / stride));
  let n = 0;
  for (let i = 0; i < values.length; i += stride) {
    if ((!mask || mask[i]) && Number.isFinite(values[i])) picked[n++] = values[i];
  }
  if (!n) return 0;
  const sorted = picked.subarray(0, n).sort();
  const place = ((n - 1) * percent) / 100;
  const low = Math.floor(place);
  const high = Math.min(low + 1, n - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

export function largest(values) {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}

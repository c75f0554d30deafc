// Values as a TIFF file of 32 bits, with the step as ImageJ reads it.

const [ASCII, SHORT, LONG, RATIONAL] = [2, 3, 4, 5];
const PRECISION = 1e6;

/** TIFF of values (height, width); `step` is the size of an element in `unit`, or null. */
export function tiff(values, [height, width], step, unit) {
  const words = `ImageJ=1.53\n${step === null ? "" : `unit=${unit}\n`}`;
  const description = new TextEncoder().encode(`${words}\0`);
  const perUnit = step === null ? 1 : 1 / step;
  const tags = [
    [256, LONG, 1, width],
    [257, LONG, 1, height],
    [258, SHORT, 1, 32],
    [259, SHORT, 1, 1], // not compressed
    [262, SHORT, 1, 1], // 0 is black
    [270, ASCII, description.length, "description"],
    [273, LONG, 1, "values"],
    [277, SHORT, 1, 1],
    [278, LONG, 1, height],
    [279, LONG, 1, 4 * values.length],
    [282, RATIONAL, 1, "resolution"],
    [283, RATIONAL, 1, "resolution"],
    [296, SHORT, 1, 1], // in the unit of the description
    [339, SHORT, 1, 3], // floating point
  ];
  const at = { resolution: 8 + 2 + 12 * tags.length + 4 };
  at.description = at.resolution + 8;
  at.values = (at.description + description.length + 3) & ~3;
  const view = new DataView(new ArrayBuffer(at.values + 4 * values.length));
  view.setUint16(0, 0x4949);
  view.setUint16(2, 42, true);
  view.setUint32(4, 8, true);
  view.setUint16(8, tags.length, true);
  tags.forEach(([tag, type, count, value], i) => {
    const entry = 10 + 12 * i;
    view.setUint16(entry, tag, true);
    view.setUint16(entry + 2, type, true);
    view.setUint32(entry + 4, count, true);
    if (type === SHORT) view.setUint16(entry + 8, value, true);
    else view.setUint32(entry + 8, at[value] ?? value, true);
  });
  view.setUint32(at.resolution, Math.round(perUnit * PRECISION), true);
  view.setUint32(at.resolution + 4, PRECISION, true);
  description.forEach((byte, i) => view.setUint8(at.description + i, byte));
  values.forEach((value, i) => view.setFloat32(at.values + 4 * i, value, true));
  return view.buffer;
}

// Colours: scales for values, and one colour for each crystal.

import { largest } from "./arrays.js";

// 33 colours from the lowest to the highest value, six digits each.
const SCALES = {
  magma:
    "0000040303120a0822130d341d114729115a36106b440f7651127c5d177f6a1c81" +
    "762181832681902a819c2e7faa337db73779c43c75d0416fdc4869e75263ef5d5e" +
    "f56b5cf9795dfc8961fd9869fea772feb67cfec488fed395fde2a3fcf0b2fcfdbf",
  viridis:
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d" +
    "2f6b8e2c728e297a8e26828e23898e21918c1f988b1fa08822a78528ae8032b67a" +
    "3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  cividis:
    "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d" +
    "5a5f6e61656f686a716f70737676767d7c788482798c8878938e789b9476a39a74" +
    "aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03afee838",
  grey:
    "000000080808101010181818202020282828303030383838404040484848505050" +
    "585858606060686868707070787878808080888888909090989898a0a0a0a8a8a8" +
    "b0b0b0b8b8b8c0c0c0c8c8c8d0d0d0d8d8d8e0e0e0e8e8e8f0f0f0f8f8f8ffffff",
  difference:
    "0530610e41791752901f63a82a71b23480b93f8ec0529dc86bacd184bcd99bc9e0" +
    "aed3e6c2ddecd4e6f1e0ecf3ecf2f5f7f6f6f9eee7fbe5d8fddcc9fbccb4f8bb9e" +
    "f5aa89ee9677e48066db6b55d05548c53e3dba2832ab162a930e267c072267001f",
};

export const SCALE_NAMES = ["magma", "viridis", "cividis", "grey"];
export const MASKED = [91, 112, 131];
const tables = {};

/** 256 colours of a scale: Uint8Array (256 * 3). */
export function scaleColors(name) {
  if (tables[name]) return tables[name];
  const anchors = SCALES[name].match(/.{6}/g).map(rgb);
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (anchors.length - 1);
    const low = Math.min(Math.floor(place), anchors.length - 2);
    for (let c = 0; c < 3; c++) {
      table[3 * i + c] = Math.round(anchors[low][c] + (anchors[low + 1][c] - anchors[low][c]) * (place - low));
    }
  }
  tables[name] = table;
  return table;
}

/** "#rrggbb" or "rrggbb" as three numbers. */
export function rgb(hex) {
  const n = parseInt(hex.replace("#", ""), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

export function hex([red, green, blue]) {
  return `#${((1 << 24) | (red << 16) | (green << 8) | blue).toString(16).slice(1)}`;
}

function luminance(color) {
  const [r, g, b] = rgb(color).map((v) =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of two colours, 1 to 21 (WCAG 2.1). */
export function contrastOf(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

/** Values as RGBA: `share` gives 0 ... 1 for a value, masked pixels are slate. */
export function paintValues(values, share, scale, mask = null) {
  const colors = scaleColors(scale);
  const table = packed([...Array.from({ length: 256 }, (_, i) => colors.subarray(3 * i, 3 * i + 3)), MASKED]);
  const out = new Uint32Array(values.length);
  const color = (value) => table[Math.round(255 * Math.min(1, Math.max(0, share(value))))];
  const whole = values instanceof Uint8Array || values instanceof Uint16Array;
  const known = whole ? Uint32Array.from({ length: largest(values) + 1 }, (_, value) => color(value)) : null;
  for (let i = 0; i < values.length; i++) {
    const masked = (mask && !mask[i]) || Number.isNaN(values[i]);
    out[i] = masked ? table[256] : known ? known[values[i]] : color(values[i]);
  }
  return new Uint8ClampedArray(out.buffer);
}

/** Whole numbers as RGBA: `colors[label + 1]` is that of a label, the first of -1. */
export function paintLabels(labels, colors) {
  const table = packed(colors.map(rgb));
  const out = new Uint32Array(labels.length);
  for (let i = 0; i < labels.length; i++) out[i] = table[labels[i] + 1];
  return new Uint8ClampedArray(out.buffer);
}

/** Colours as the four bytes of a pixel. */
function packed(colors) {
  return new Uint32Array(Uint8Array.from(colors.flatMap((color) => [...color, 255])).buffer);
}

// 16-bit floats. JavaScript engines before 2025 have no type for them.

const scratch = new DataView(new ArrayBuffer(4));

function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** The bits of a bfloat16: the upper half of a 32-bit float, rounded to the nearest, ties to even. */
export function toBfloat16(value: number): number {
  const bits = bitsOf(value);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40; // without the bit set, rounding could make an infinity of it
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) / 0x10000) & 0xffff;
}

export function fromBfloat16(bits: number): number {
  return floatOf((bits << 16) >>> 0);
}

/** The bits of an IEEE 754 binary16, rounded to the nearest, ties to even. */
export function toFloat16(value: number): number {
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0;
  if (Number.isNaN(value)) return 0x7e00;
  const size = Math.abs(value);
  if (size >= 65_520) return sign | 0x7c00; // halfway above the largest is an infinity
  // The distance between neighbours: 2^-24 among the subnormals, then doubled with each exponent.
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size));
  const steps = roundHalfEven(size / 2 ** (exponent - 10));
  return sign | (steps + (exponent + 14) * 1024);
}

export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest === 0.5) return down % 2 === 0 ? down : down + 1;
  return rest < 0.5 ? down : down + 1;
}

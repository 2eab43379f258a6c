// Tabulated quantities: levels over the grid of the controls, interpolated between grid points
// by the polynomial through the four nearest ones (or by straight lines, where a slider says so).

// A view on the numbers of one array: bytes arrive as a DataView at any offset, so they are copied to align.
export function slice(bytes, offset, length, Type) {
  const start = bytes.byteOffset + offset;
  return new Type(bytes.buffer.slice(start, start + length * Type.BYTES_PER_ELEMENT));
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);

export function decodeTable(bytes, entry) {
  return { ...entry, inner: size(entry.shape), levels: unpack(bytes, entry.offset, [...entry.grid, ...entry.shape]) };
}

// The inverse of `pack` in table.py: folded differences along the last two axes, all lowest bytes first, then the next.
export function unpack(bytes, offset, shape) {
  const count = size(shape), out = new Int32Array(count);
  for (let k = 0; k < count; k++) {
    let folded = 0;
    for (let plane = 3; plane >= 0; plane--) folded = 256 * folded + bytes.getUint8(offset + plane * count + k);
    out[k] = folded & 1 ? -((folded + 1) >> 1) : folded >> 1;
  }
  for (let axis = Math.max(0, shape.length - 2); axis < shape.length; axis++) {
    const stride = size(shape.slice(axis + 1));
    for (let k = 0; k < count; k++) if (Math.floor(k / stride) % shape[axis] > 0) out[k] += out[k - stride];
  }
  return out;
}

// Where the controls stand on the grid, as fractional indices.
export function positions(controls, values) {
  return controls.map((c) => {
    const v = values[c.name];
    if (c.kind === "choice") return Math.max(0, Math.min(c.count - 1, Math.round(v)));
    const [low, high, at] = c.log ? [c.low, c.high, v].map(Math.log) : [c.low, c.high, v];
    return Math.max(0, Math.min(1, (at - low) / (high - low))) * (c.count - 1);
  });
}

// [grid index, weight] pairs at a fractional position: Lagrange's polynomial through 4 nodes, or a line through 2.
export function weights(position, count, smooth) {
  const near = Math.round(position), size = Math.min(smooth ? 4 : 2, count);
  if (Math.abs(position - near) < 1e-6) return [[near, 1]];
  const first = Math.min(Math.max(Math.floor(position) - ((size - 1) >> 1), 0), count - size);
  return Array.from({ length: size }, (_, a) => {
    let w = 1;
    for (let b = 0; b < size; b++) if (b !== a) w *= (position - first - b) / (a - b);
    return [first + a, w];
  });
}

// The quantity at these positions: a weighted sum over grid cells (an axis of length 1 is constant).
export function lookup(table, at, controls) {
  const { inner, levels, grid, low, high, steps } = table;
  let cells = [[0, 1]];
  grid.forEach((count, axis) => {
    const here = count === 1 ? [[0, 1]] : weights(at[axis], count, controls[axis].smooth);
    cells = cells.flatMap(([index, w]) => here.map(([i, v]) => [index * count + i, w * v]));
  });
  const out = new Float32Array(inner), scale = (high - low) / steps;
  for (const [index, weight] of cells) {
    const start = index * inner;
    for (let k = 0; k < inner; k++) {
      const level = levels[start + k];
      out[k] += level > steps ? NaN : weight * (low + scale * level);
    }
  }
  return out;
}

// Tabulated quantities: uint16 levels over the grid of the controls, interpolated between grid points
// by the polynomial through the four nearest ones (or by straight lines, where a slider says so).

const LEVELS = 65534, GAP = 65535;

// A view on the numbers of one array: bytes arrive as a DataView at any offset, so they are copied to align.
export function slice(bytes, offset, length, Type) {
  const start = bytes.byteOffset + offset;
  return new Type(bytes.buffer.slice(start, start + length * Type.BYTES_PER_ELEMENT));
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);

export function decodeTable(bytes, entry) {
  const inner = size(entry.shape), cells = size(entry.grid);
  return { ...entry, inner, levels: slice(bytes, entry.offset, cells * inner, Uint16Array) };
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

// Levels 0 … 65534 stand for low … high, GAP for "not a number".
export function unpack(levels, low, high) {
  const scale = (high - low) / LEVELS;
  return Float32Array.from(levels, (level) => (level === GAP ? NaN : low + scale * level));
}

// [grid index, weight] pairs at a fractional position: Lagrange's polynomial through 4 nodes, or a line through 2.
export function weights(position, count, smooth) {
  const near = Math.round(position), size = Math.min(smooth ? 4 : 2, count);
  if (Math.abs(position - near) < 1e-9) return [[near, 1]];
  const first = Math.min(Math.max(Math.floor(position) - ((size - 1) >> 1), 0), count - size);
  return Array.from({ length: size }, (_, a) => {
    let w = 1;
    for (let b = 0; b < size; b++) if (b !== a) w *= (position - first - b) / (a - b);
    return [first + a, w];
  });
}

// The quantity at these positions: a weighted sum over grid cells (an axis of length 1 is constant).
export function lookup(table, at, controls) {
  const { inner, levels, grid, low, high } = table;
  let cells = [[0, 1]];
  grid.forEach((count, axis) => {
    const here = count === 1 ? [[0, 1]] : weights(at[axis], count, controls[axis].smooth);
    cells = cells.flatMap(([index, w]) => here.map(([i, v]) => [index * count + i, w * v]));
  });
  const out = new Float32Array(inner), scale = (high - low) / LEVELS;
  for (const [index, weight] of cells) {
    const start = index * inner;
    for (let k = 0; k < inner; k++) {
      const level = levels[start + k];
      out[k] += level === GAP ? NaN : weight * (low + scale * level);
    }
  }
  return out;
}

// A small dense network, run in the browser: one layer after another, y = act(x W + b), W stored row by row (in, out)
// as 8-bit numbers with a scale for each column.

import { slice } from "./table.js";

const ACTIVATIONS = {
  linear: (a) => a,
  relu: (a) => Math.max(a, 0),
  tanh: Math.tanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  silu: (a) => a / (1 + Math.exp(-a)),
};

const scaled = (levels, scale) => Float32Array.from(levels, (v, k) => v * scale[k % scale.length]);

export function decodeNetwork(bytes, entry) {
  const layers = entry.layers.map((l) => ({
    ...l,
    kernel: scaled(slice(bytes, l.kernel, l.inputs * l.outputs, Int8Array), slice(bytes, l.scale, l.outputs, Float32Array)),
    bias: slice(bytes, l.bias, l.outputs, Float32Array),
  }));
  return { ...entry, layers };
}

export function forward(layers, input) {
  let x = Float32Array.from(input);
  for (const { inputs, outputs, kernel, bias, activation } of layers) {
    const y = Float32Array.from(bias);
    for (let i = 0; i < inputs; i++) {
      const xi = x[i], row = i * outputs;
      if (xi !== 0) for (let j = 0; j < outputs; j++) y[j] += xi * kernel[row + j];
    }
    const act = ACTIVATIONS[activation];
    x = y.map(act);
  }
  return x;
}

// A small dense network, run in the browser: one layer after another, y = act(x W + b), W stored row by row (in, out)
// as 16-bit levels between its smallest and its largest weight.

import { slice, unpack } from "./table.js";

const ACTIVATIONS = {
  linear: (a) => a,
  relu: (a) => Math.max(a, 0),
  tanh: Math.tanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  silu: (a) => a / (1 + Math.exp(-a)),
};

export function decodeNetwork(bytes, entry) {
  const layers = entry.layers.map((l) => ({
    ...l,
    kernel: unpack(slice(bytes, l.offset, l.inputs * l.outputs, Uint16Array), l.low, l.high),
    bias: slice(bytes, l.biasOffset, l.outputs, Float32Array),
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

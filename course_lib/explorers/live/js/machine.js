// The interpreter: programs are flat lists of kernel calls over one memory. No code is made of text: a page needs only the
// permission for WebAssembly ('wasm-unsafe-eval'), not 'unsafe-eval'.

import { makeKernels } from "./kernels.js";

const total = (shape) => shape.reduce((p, n) => p * n, 1);

// spec: words, scratch, start [[address, length, offset in bytes]…], places {name: [address, shape, dtype]}, kernels,
// programs {name: [[kernel, …numbers]…]}; bytes: what `start` and `wasm` [offset, length] point into.
export async function makeMachine(spec, bytes) {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * (spec.words + spec.scratch)) / 65536) + 1 });
  const { instance } = await WebAssembly.instantiate(bytes.slice(spec.wasm[0], spec.wasm[0] + spec.wasm[1]), { env: { memory } });
  const mm = instance.exports.mm, pack = 4 * spec.words;
  const { F, I, U, K } = makeKernels(memory.buffer, (a, am, ak, b, bk, bn, c, m, n, k) => mm(a, am, ak, b, bk, bn, c, m, n, k, pack));
  const raw = new Uint8Array(memory.buffer);
  for (const [address, length, offset] of spec.start) raw.set(bytes.subarray(offset, offset + 4 * length), 4 * address);
  const places = {}, programs = {};
  for (const [name, [address, shape, dtype]] of Object.entries(spec.places)) {
    const values = (dtype === "f" ? F : dtype === "u" ? U : I).subarray(address, address + total(shape));
    places[name] = { values, shape };
  }
  for (const [name, calls] of Object.entries(spec.programs)) {
    const bound = calls.map(([kernel, ...numbers]) => [K[spec.kernels[kernel]], numbers]);
    const missing = calls.find(([kernel]) => !K[spec.kernels[kernel]]);
    if (missing) throw new Error(`there is no kernel ${spec.kernels[missing[0]]}`);
    programs[name] = () => { for (let i = 0; i < bound.length; i++) bound[i][0](bound[i][1]); };
  }
  return { places, programs, memory };
}

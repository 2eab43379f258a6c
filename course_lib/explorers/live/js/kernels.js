// One function for each kernel over one memory, seen as float32 (F), int32 (I) and uint32 (U). Every argument is a number:
// an address (in words), a length or a stride. p = [out, …]; where an operand has a step, 0 means one number, seen many times.
// The loops that most of the time is spent in are written out: V8 makes fast code of a loop only if nothing else uses it.

const OUT = new Int32Array(2), KEY = new Int32Array(3), TURNS = [[13, 15, 26, 6], [17, 29, 16, 24]];

// JAX's counter-based generator: 20 rounds on two words.
function threefry(k0, k1, x0, x1) {
  KEY[0] = k0; KEY[1] = k1; KEY[2] = k0 ^ k1 ^ 0x1bd11bda;
  x0 = (x0 + k0) | 0; x1 = (x1 + k1) | 0;
  for (let g = 0; g < 5; g++) {
    for (const r of TURNS[g & 1]) { x0 = (x0 + x1) | 0; x1 = ((x1 << r) | (x1 >>> (32 - r))) ^ x0; }
    x0 = (x0 + KEY[(g + 1) % 3]) | 0; x1 = (x1 + KEY[(g + 2) % 3] + g + 1) | 0;
  }
  OUT[0] = x0; OUT[1] = x1;
}

const horner = (c, w) => c.reduce((p, a) => a + p * w, 0);
const CENTRE = [2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941];
const TAIL = [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682];
// Giles 2010, as XLA computes it in float32.
function erfInverse(x) {
  const w = -log1p(-x * x);
  if (w === Infinity) return x * Infinity;
  return w < 5 ? x * horner(CENTRE, w - 2.5) : x * horner(TAIL, Math.sqrt(w) - 3);
}

// A quotient of polynomials, as XLA computes it in float32: Math.tanh is three times slower.
function tanh(x) {
  const y = x > 7.9053111076354980 ? 7.9053111076354980 : x < -7.9053111076354980 ? -7.9053111076354980 : x, q = y * y;
  return y * (4.89352455891786e-3 + q * (6.37261928875436e-4 + q * (1.48572235717979e-5 + q * (5.12229709037114e-8 + q * (-8.60467152213735e-11 + q * (2.00018790482477e-13 + q * -2.76076847742355e-16))))))
    / (4.89352518554385e-3 + q * (2.26843463243900e-3 + q * (1.18534705686654e-4 + q * 1.19825839466702e-6)));
}

// e^x = 2^k e^r with |r| ≤ ln 2 / 2, and a polynomial for e^r; good to 1e-9, a third of the time of Math.exp.
const POWERS = Float64Array.from({ length: 281 }, (_, i) => 2 ** (i - 151));
function exp(x) {
  if (!(x > -104 && x < 88)) return Math.exp(x);
  const k = (x * 1.4426950408889634 + 151.5) | 0, r = x - (k - 151) * 0.6931471805599453;
  return POWERS[k] * (1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040 + r / 40320))))))));
}

// ln(1 + x) = 2 artanh(s) with s = x / (2 + x): its series where |s| ≤ 1/3.
function log1p(x) {
  if (!(x >= -0.5 && x <= 1)) return Math.log1p(x);
  const s = x / (2 + x), q = s * s;
  return 2 * s * (1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q * (1 / 15 + q / 17))))))));
}

const even = (x) => { const r = Math.round(x); return r - x === 0.5 && r % 2 ? r - 1 : r; };
// Like Math.max and Math.min, but a NaN stays one whatever its place is, as in JAX.
const UNARY = {
  log: Math.log, expm1: Math.expm1, rsqrt: (x) => 1 / Math.sqrt(x), sin: Math.sin, cos: Math.cos, sign: Math.sign,
  floor: Math.floor, ceil: Math.ceil, erf_inv: erfInverse, round_even: even,
  round: (x) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5),
};
const BINARY = { max: Math.max, min: Math.min, pow: Math.pow, rem: (x, y) => x % y, atan2: Math.atan2 };
const COMPARE = { eq: (x, y) => x === y, ne: (x, y) => x !== y, lt: (x, y) => x < y, le: (x, y) => x <= y, gt: (x, y) => x > y, ge: (x, y) => x >= y };
const INTEGER = {
  add: (x, y) => x + y, sub: (x, y) => x - y, mul: Math.imul, div: (x, y) => (y ? Math.trunc(x / y) : -1), rem: (x, y) => (y ? x % y : x),
  max: Math.max, min: Math.min, and: (x, y) => x & y, or: (x, y) => x | y, xor: (x, y) => x ^ y,
  shift_left: (x, y) => (y >>> 0 > 31 ? 0 : x << y), shift_right_logical: (x, y) => (y >>> 0 > 31 ? 0 : x >>> y),
  neg: (x) => -x, abs: Math.abs, sign: Math.sign, not: (x) => ~x, no: (x) => (x ? 0 : 1), ...COMPARE,
};
const REDUCE = {
  reduce_max: [-Infinity, (x, y) => (y > x || y !== y ? y : x)], reduce_min: [Infinity, (x, y) => (y < x || y !== y ? y : x)],
  reduce_prod: [1, (x, y) => x * y], "i.reduce_sum": [0, (x, y) => (x + y) | 0], "i.reduce_max": [-2147483648, Math.max],
  "i.reduce_min": [2147483647, Math.min], "i.reduce_prod": [1, Math.imul], "i.reduce_and": [-1, (x, y) => x & y], "i.reduce_or": [0, (x, y) => x | y],
};

export function makeKernels(buffer, matmul) {
  const F = new Float32Array(buffer), I = new Int32Array(buffer), U = new Uint32Array(buffer), K = {};
  for (const [name, f] of Object.entries(UNARY)) K[name] = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = f(F[a]); };
  for (const [name, f] of Object.entries(BINARY)) K[name] = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) F[o] = f(F[a], F[b]); };
  for (const [name, f] of Object.entries(COMPARE)) K[name] = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = f(F[a], F[b]); };
  for (const [name, f] of Object.entries(INTEGER)) for (const [kind, X] of [["i", I], ["u", U]])
    K[`${kind}.${name}`] = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = f(X[a], X[b]); };
  for (const [name, [start, f]] of Object.entries(REDUCE)) {
    const X = name.startsWith("i.") ? I : F;
    K[name] = ([o, a, n, s, m, t]) => { for (let i = 0; i < n; i++, a += s) { let r = start; for (let j = 0, b = a; j < m; j++, b += t) r = f(r, X[b]); X[o + i] = r; } };
  }
  for (const [name, X] of [["argmax", F], ["i.argmax", I]])
    K[name] = ([o, a, n, s, m, t]) => { for (let i = 0; i < n; i++, a += s) { let r = 0; for (let j = 1; j < m; j++) if (X[a + j * t] > X[a + r * t]) r = j; I[o + i] = r; } };

  K.add = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) F[o] = F[a] + F[b]; };
  K.sub = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) F[o] = F[a] - F[b]; };
  K.mul = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) F[o] = F[a] * F[b]; };
  K.div = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) F[o] = F[a] / F[b]; };
  K.max = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) { const x = F[a], y = F[b]; F[o] = x > y || x !== x ? x : y; } };
  K.gt = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = F[a] > F[b] ? 1 : 0; };
  K.lt = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = F[a] < F[b] ? 1 : 0; };
  K.ge = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = F[a] >= F[b] ? 1 : 0; };
  K.eq = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = F[a] === F[b] ? 1 : 0; };
  K.ne = ([o, n, a, s, b, t]) => { for (const e = o + n; o < e; o++, a += s, b += t) I[o] = F[a] !== F[b] ? 1 : 0; };
  K.neg = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = -F[a]; };
  K.exp = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = exp(F[a]); };
  K.log1p = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = log1p(F[a]); };
  K.abs = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = Math.abs(F[a]); };
  K.sqrt = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = Math.sqrt(F[a]); };
  K.tanh = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = tanh(F[a]); };
  K.logistic = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) F[o] = 1 / (1 + exp(-F[a])); };
  K.is_finite = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) I[o] = Number.isFinite(F[a]) ? 1 : 0; };
  K.select = ([o, n, c, r, a, s, b, t]) => { for (const e = o + n; o < e; o++, c += r, a += s, b += t) I[o] = I[c] ? I[b] : I[a]; };
  K.reduce_sum = ([o, a, n, s, m, t]) => { for (let i = 0; i < n; i++, a += s) { let r = 0; for (let j = 0, b = a; j < m; j++, b += t) r += F[b]; F[o + i] = r; } };

  // A number that int32 or uint32 does not have becomes the nearest that it has; NaN becomes 0.
  const whole = (x, low, high) => (x !== x ? 0 : Math.trunc(Math.min(Math.max(x, low), high)));
  const CONVERT = { f_i: (a) => I[a], f_u: (a) => U[a], i_f: (a) => whole(F[a], -2147483648, 2147483647), u_f: (a) => whole(F[a], 0, 4294967295),
    b_f: (a) => F[a] !== 0, b_i: (a) => I[a] !== 0, b_u: (a) => I[a] !== 0 };
  for (const [name, f] of Object.entries(CONVERT)) {
    const [to, from] = name.split("_"), X = { f: F, i: I, u: U, b: I }[to];
    K[`to_${to}_from_${from}`] = ([o, n, a, s]) => { for (const e = o + n; o < e; o++, a += s) X[o] = f(a); };
  }

  K.copy = (p) => {
    const [, , h, i, j, k, o0, o1, o2, o3, a0, a1, a2, a3] = p;
    if (h === 1 && i === 1 && j === 1 && o3 === 1 && a3 === 1) return void I.copyWithin(p[0], p[1], p[1] + k);
    for (let x = 0; x < h; x++) for (let y = 0; y < i; y++) for (let z = 0; z < j; z++)
      for (let w = 0, o = p[0] + x * o0 + y * o1 + z * o2, a = p[1] + x * a0 + y * a1 + z * a2; w < k; w++, o += o3, a += a3) I[o] = I[a];
  };
  K.matmul = ([c, a, am, ak, b, bk, bn, m, n, k, many, a0, b0]) => {
    for (let i = 0; i < many; i++) matmul(4 * (a + i * a0), 4 * am, 4 * ak, 4 * (b + i * b0), 4 * bk, 4 * bn, 4 * (c + i * m * n), m, n, k);
  };
  // Rows by their numbers; a number out of range takes the nearest row.
  K.rows = ([o, a, at, n, size, many]) => {
    for (let i = 0; i < n; i++, o += size) { const r = a + Math.max(0, Math.min(many - 1, I[at + i])) * size; I.copyWithin(o, r, r + size); }
  };
  K.random_bits = ([o, k, keys, n]) => { for (let s = 0; s < keys; s++, k += 2) for (let i = 0; i < n; i++) { threefry(I[k], I[k + 1], 0, i); I[o++] = OUT[0] ^ OUT[1]; } };
  K.random_split = ([o, k, keys, n]) => { for (let s = 0; s < keys; s++, k += 2) for (let i = 0; i < n; i++) { threefry(I[k], I[k + 1], 0, i); I[o++] = OUT[0]; I[o++] = OUT[1]; } };
  K.random_fold_in = ([o, k, keys, n, d]) => {
    for (let i = 0; i < Math.max(keys, n); i++) { const s = keys > 1 ? k + 2 * i : k; threefry(I[s], I[s + 1], 0, I[d + (n > 1 ? i : 0)]); I[o++] = OUT[0]; I[o++] = OUT[1]; }
  };
  return { F, I, U, K };
}

"""Each primitive of the page against JAX, over random shapes; the random generator bit for bit."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jax import lax

from course_lib.explorers.live.lowering import Lowering, shape_and_dtype
from course_lib.explorers.live.memory import place
from course_lib.explorers.live.primitives import RULES
from tests.explorers.live.machines import drive, encoded, with_product

MATRIX = (((1,), (0,)), ((), ()))


def all_primitives(x, y, p, i, j, u, b, key, numbers, table) -> dict[str, Any]:
    """x, y of any sign, p in (0, 1), i, j, u whole numbers, b booleans, all (h, w); `numbers` rows of `table`."""
    h, w = x.shape
    float_functions = (
        jnp.negative, jnp.exp, jnp.expm1, jnp.tanh, lax.logistic, jnp.sin, jnp.cos, jnp.abs, jnp.sign, jnp.floor,
        jnp.ceil, lax.square, lax.erf_inv, lax.is_finite,
    )  # fmt: skip
    out: dict[str, Any] = {f.__name__: f(p if f is lax.erf_inv else x) for f in float_functions}
    out |= {f.__name__: f(p) for f in (jnp.log, jnp.log1p, jnp.sqrt, lax.rsqrt)}
    pairs = (jnp.add, jnp.subtract, jnp.multiply, jnp.divide, jnp.maximum, jnp.minimum, lax.rem, jnp.arctan2)
    compare = (jnp.equal, jnp.not_equal, jnp.less, jnp.less_equal, jnp.greater, jnp.greater_equal)
    out |= {f"{f.__name__} f": f(x, y) for f in (*pairs, *compare)}
    whole = (
        lax.add,
        lax.sub,
        lax.mul,
        lax.max,
        lax.min,
        lax.bitwise_and,
        lax.bitwise_or,
        lax.bitwise_xor,
        lax.div,
        lax.rem,
    )
    out |= {f"{f.__name__} i": f(i, jnp.where(j == 0, 3, j)) for f in whole}
    out |= {f"{f.__name__} u": f(u, u[:, ::-1] | 1) for f in whole}
    out |= {f"{f.__name__} i": f(i, j) for f in compare} | {f"{f.__name__} u": f(u, u[::-1]) for f in compare}
    out |= {"not": ~b, "not i": ~i, "and": b & (x > 0), "or": b | (x > 0), "sign i": lax.sign(i), "abs i": lax.abs(i)}
    out |= {"neg i": -i, "left": lax.shift_left(u, u % 40), "right": lax.shift_right_logical(u, u % 40)}
    out |= {f"power {n}": lax.integer_pow(y, n) for n in (-3, 0, 1, 2, 3, 7)}
    out |= {"pow": p**y, "pow whole": lax.pow(p, lax.convert_element_type(jnp.int32(3), jnp.int32))}
    out |= {"round": lax.round(4 * x), "round even": jnp.round(2 * i / 4), "clamp": lax.clamp(-0.5, x, p)}
    out |= {"clamp i": lax.clamp(-2, i, 3), "select": jnp.where(b, x, y), "select i": jnp.where(b, i, j)}
    out |= {f"to {t.__name__}": [v.astype(t) for v in (3 * x, i, b)] for t in (jnp.float32, jnp.int32, jnp.bool_)}
    out |= {"to u": [p.astype(jnp.uint32), i.astype(jnp.uint32), b.astype(jnp.uint32)], "u to f": u.astype(jnp.float32)}
    out |= {"bits": lax.bitcast_convert_type(x, jnp.uint32), "floats": lax.bitcast_convert_type(u >> 3, jnp.float32)}
    # shapes
    cube = x[:, None, :] * y[:, :, None]
    out |= {"row": lax.add(x, jnp.broadcast_to(y[0], x.shape)), "column": x * y[:, :1], "outer": cube, "turned": cube.T}
    out |= {"flat": x.T.reshape(-1), "split": jnp.split(jnp.concatenate([x, y], 1), [w // 2 + 1], axis=1)}
    out |= {
        "stack": jnp.stack([x, y, x], axis=1),
        "rev": x[::-1, ::-1],
        "slice": cube[:, 1::2, ::3],
        "iota": i + jnp.arange(w)[None],
    }
    out |= {"pad": lax.pad(x, 2.5, [(1, 2, 1), (0, -1, 0)]), "pad less": lax.pad(x, p[0, 0], [(-1, 0, 0), (2, 0, 2)])}
    out |= {"squeeze": jnp.squeeze(x[:1], 0), "dynamic": lax.dynamic_slice(x, (jnp.int32(0), jnp.int32(0)), (1, w))}
    out |= {"unstack": jnp.unstack(x, axis=0), "rows": table[numbers], "row i": i[:, 0][numbers % h]}
    # sums and products
    out |= {f"sum {a}": cube.sum(axis=a) for a in (None, 0, 1, (0, 2), -1)}
    out |= {"max": x.max(axis=0), "min": cube.min(axis=(1, 2)), "prod": y[:, :3].prod(axis=1), "all": b.all(axis=0)}
    out |= {
        "any": b.any(axis=1),
        "argmax": x.argmax(axis=1),
        "sum i": i.sum(axis=0),
        "max i": i.max(),
        "min i": i.min(),
    }
    out |= {"argmax i": i.argmax(axis=0), "prod i": i[:, :3].prod(axis=1)}
    out |= {"matrix": x @ y.T, "gram": x.T @ y, "vector": x @ y[0], "batched": jnp.einsum("hij,hjk->hik", cube, cube)}
    out |= {"order": jnp.einsum("hij,kj->ikh", cube, x), "inner": jnp.einsum("hij,hij->", cube, cube)}
    # loops and random numbers
    out["scan"] = lax.scan(lambda c, r: (c + r, c * 2), jnp.zeros(w), x, reverse=True)
    keys = jax.random.split(key, (3, 2))
    out |= {
        "keys": jax.random.key_data(keys[::2].T),
        "key": jax.random.key_data(jax.random.fold_in(keys[0, 0], i[0, 0])),
    }
    out |= {"words": jax.random.bits(keys[1, 1], (h, w)), "uniform": jax.random.uniform(key, (w,))}
    out |= {"uniform, wide": jax.random.uniform(keys[2, 1], (w,), minval=-2.0, maxval=3.0)}
    out |= {"fold": jax.vmap(lambda n: jax.random.bits(jax.random.fold_in(key, n)))(i[0])}
    out |= {"normal": jax.random.normal(keys[0, 1], (5, w)), "below": jax.random.randint(keys[1, 0], (w,), 0, h)}
    out |= {
        "coins": jax.random.bernoulli(keys[2, 0], p),
        "exact": [lax.stop_gradient(x), lax.reduce_precision(x, 8, 23)],
    }
    return out


EXACT = ("keys", "key", "words", "fold", "uniform", "below", "coins", "bits", "floats", "exact", "rows")


def arguments(h: int, w: int, seed: int) -> list[jax.Array]:
    rng = np.random.default_rng(seed)
    whole = lambda *s: rng.integers(-9, 10, s).astype(np.int32)  # noqa: E731
    floats = [rng.normal(size=(h, w)), rng.normal(size=(h, w)), rng.uniform(0.01, 0.99, (h, w))]
    return [
        *(jnp.asarray(f, jnp.float32) for f in floats), jnp.asarray(whole(h, w)), jnp.asarray(whole(h, w)),
        jnp.asarray(rng.integers(0, 2**32, (h, w), dtype=np.uint32)), jnp.asarray(rng.integers(0, 2, (h, w)) == 1),
        jax.random.key(seed), jnp.asarray(rng.integers(0, 4, 6).astype(np.int32)),
        jnp.asarray(rng.normal(size=(4, 3)), jnp.float32),
    ]  # fmt: skip


def in_the_page(fn, given_arguments) -> dict[str, Any]:
    """A job for node that computes fn, whose results are called r0, r1, …"""
    low = Lowering()
    places = [low.slot(*shape_and_dtype(jax.typeof(a))) for a in given_arguments]
    ops, written, _ = low.function(fn, given_arguments, places)
    words, kernels = place([ops], low.kept), sorted({op.kernel for op in ops})
    named = {f"a{n}": v for n, v in enumerate(places)} | {f"r{n}": v for n, v in enumerate(written)}
    blobs, start = [], []
    for buffer in low.kept:
        if buffer.start is not None:
            start.append([buffer.address, buffer.size, sum(map(len, blobs))])
            blobs.append(buffer.start.tobytes())
    calls = [[kernels.index(op.kernel), *map(int, op.numbers()[1:])] for op in ops]
    spec = {
        "words": words, "scratch": 100_000, "start": start, "kernels": kernels, "programs": {"f": calls},
        "places": {name: [v.buffer.address + v.offset, list(v.shape), v.dtype] for name, v in named.items()},
    }  # fmt: skip
    raw = [jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a for a in given_arguments]
    return {
        **with_product(spec, blobs), "set": {f"a{n}": encoded(v) for n, v in enumerate(raw)}, "loop": ["f"], "times": 2,
        "record": [], "read": [f"r{n}" for n in range(len(written))],
    }  # fmt: skip


def wrong(done, wanted) -> list[str]:
    """The names of what the page computes otherwise than JAX."""
    names = []
    for n, (path, value) in enumerate(wanted):
        name, got, value = jax.tree_util.keystr(path[:1], simple=True), done["read"][f"r{n}"], np.asarray(value)
        assert got.shape == value.shape, name
        if name in EXACT or value.dtype != np.float32:
            same = np.array_equal(got.astype(np.float64), value.astype(np.float64), equal_nan=True)
        else:
            same = np.allclose(got, value, rtol=5e-6, atol=2e-6 * max(1.0, float(np.abs(value).max(initial=0.0))))
        names += [] if same else [name]
    return names


def of_jax(fn, given_arguments) -> list[Any]:
    return jax.tree_util.tree_flatten_with_path(jax.jit(fn)(*given_arguments))[0]


@settings(
    max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.integers(2, 17), st.integers(3, 17), st.integers(0, 2**31))
def test_every_primitive_is_that_of_jax(h: int, w: int, seed: int):
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        given_arguments = arguments(h, w, seed)
        job = in_the_page(all_primitives, given_arguments)
        (done,) = drive([job])
        assert wrong(done, of_jax(all_primitives, given_arguments)) == []


def primitives_of(jaxpr) -> set[str]:
    """Of a jaxpr and of those within it."""
    found = set()
    for eqn in jaxpr.eqns:
        found.add(eqn.primitive.name)
        for value in eqn.params.values():
            inner = getattr(value, "jaxpr", value)
            found |= primitives_of(inner) if hasattr(inner, "eqns") else set()
    return found


def test_every_rule_is_tried():
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        tried = primitives_of(jax.make_jaxpr(all_primitives)(*arguments(3, 4, 0)).jaxpr)
    # what only a gradient, another version of JAX, or a call from outside makes; `iota` is computed in Python
    elsewhere = {
        "add_any",
        "copy",
        "copy_p",
        "optimization_barrier",
        "random_unwrap",
        "expand_dims",
        "unstack",
        "stack",
        "random_wrap",
        "stop_gradient",
    }
    assert set(RULES) - tried <= elsewhere


BREAKS = {
    "add": lambda call: [*call[:-1], 0],  # a wrong broadcast: the first number alone
    "matmul": lambda call: [*call[:10], call[10] - 1, *call[11:]],  # a dropped term
    "reduce_sum": lambda call: [*call[:5], call[5] - 1, *call[6:]],
    "random_bits": lambda call: [*call[:2], call[2] + 1, *call[3:]],  # the next key
}


def test_a_broken_kernel_call_is_noticed():
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        given_arguments, jobs = arguments(5, 6, 1), []
        whole = in_the_page(all_primitives, given_arguments)
        for kernel, change in BREAKS.items():
            job = copy.deepcopy(whole)
            number, calls = job["machine"]["kernels"].index(kernel), job["machine"]["programs"]["f"]
            job["machine"]["programs"]["f"] = [change(call) if call[0] == number else call for call in calls]
            jobs.append(job)
        wanted = of_jax(all_primitives, given_arguments)
        good, *bad = [wrong(done, wanted) for done in drive([whole, *jobs])]
    assert good == []
    assert all(bad)

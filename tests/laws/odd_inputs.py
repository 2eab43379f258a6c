"""Public entries × inputs of every kind: prints what came of each, as JSON. Started by `test_odd_inputs`.

A program of its own, since there the annotations are not checked: what is seen is what a learner would see.
"""

import json
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from course_lib import autoencoders, autoregressive, distributions, flows, probability, vae
from course_lib.data import binarize
from course_lib.probability.divergences import kl_normal

ROOT = Path(__file__).resolve().parents[2]
KEY = jax.random.key(0)
MIXTURE = distributions.LogisticMixture(2, 2)
RNGS = nnx.Rngs(0)
D = 4
BITS = np.array([[0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1]])
WHOLE = np.array([[2, 1, -3, 0], [1, 4, 0, 1], [0, 0, -2, 3]])  # for densities of real numbers
IMAGES = np.array([[[0, 1], [1, 0]], [[1, 1], [0, 1]], [[0, 0], [0, 1]]])


def moved(model: Any) -> Any:
    """Away from the start, where many a map is the identity."""
    rng = np.random.default_rng(0)
    state = nnx.state(model, nnx.Param)
    noise = lambda p: 0.3 * rng.normal(size=p.shape).astype(p.dtype)  # noqa: E731
    nnx.update(model, jax.tree.map(lambda p: jax.device_put(np.asarray(p) + noise(p)), state))
    return model


def made_mog() -> autoregressive.Made:
    return autoregressive.Made(D, [6], likelihood=distributions.GaussianMixture(2), rngs=RNGS)


def layers() -> dict[str, flows.Bijection]:
    order, mask = [2, 0, 3, 1], [1, 0, 1, 0]
    return {
        "Affine": flows.Affine([1.0, 2, 3, 4], [1.0, 2, 3, 4]),
        "Coupling": flows.Coupling(mask, [5], rngs=RNGS),
        "Coupling, spline": flows.Coupling(mask, [5], transformer=flows.SplineTransformer(), rngs=RNGS),
        "MaskedAutoregressive": flows.MaskedAutoregressive(D, [5], ordering=order, rngs=RNGS),
        "InverseAutoregressive": flows.InverseAutoregressive(D, [5], ordering=order, rngs=RNGS),
        "Permutation": flows.Permutation(order),
        "InvertibleLinear": flows.InvertibleLinear(D, rngs=RNGS),
        "Chain": flows.Chain([flows.Coupling(mask, [5], rngs=RNGS), flows.Permutation(order)]),
        "Stack": flows.Stack([flows.Coupling(mask, [5], rngs=RNGS) for _ in range(2)]),
    }


def entries() -> dict[str, tuple[np.ndarray, Callable[[Any], Any]]]:
    """Name → (what it takes, the function)."""
    a, v, e = autoregressive, vae, autoencoders
    bits: dict[str, Any] = {
        "Made": a.Made(D, [6], rngs=RNGS), "Nade": a.Nade(D, 3, rngs=RNGS),
        "OrderlessNade": a.OrderlessNade(D, [6], rngs=RNGS), "Fvsbn": a.Fvsbn(D),
    }  # fmt: skip
    found = {f"{name}.log_prob": (BITS, moved(m).log_prob) for name, m in bits.items()}
    found |= {f"{name}.conditional_logits": (WHOLE, m.conditional_logits) for name, m in bits.items()}
    found["negative_log_likelihood"] = (BITS, lambda x: a.negative_log_likelihood(bits["Made"], x, KEY))
    found["orderless_loss"] = (BITS, lambda x: a.orderless_loss(bits["OrderlessNade"], x, KEY))
    pixels = {
        "PixelCNN": a.PixelCNN((2, 2), 3, (1,), rngs=RNGS),
        "PixelCNN, levels": a.PixelCNN((2, 2), 3, (1,), likelihood=distributions.Categorical(2), rngs=RNGS),
        "SingleStackPixelCNN": a.SingleStackPixelCNN(
            (2, 2), 3, (1,), likelihood=distributions.LogisticMixture(2, 2), rngs=RNGS
        ),
    }
    found |= {f"{name}.log_prob": (IMAGES, moved(m).log_prob) for name, m in pixels.items()}
    found |= {f"{name}.parameters": (IMAGES, m.parameters) for name, m in pixels.items()}
    darn = moved(a.Darn(D, 2, rngs=RNGS))
    found |= {
        "Darn.elbo": (BITS, lambda x: darn.elbo(KEY, x)), "Darn.exact_log_prob": (BITS, darn.exact_log_prob),
        "Darn.iwae": (BITS, lambda x: darn.iwae(KEY, x, 3)),
        "Darn.log_joint": (BITS, lambda x: darn.log_joint(BITS[:, :2], x)),
        "description_length": (BITS, lambda x: a.description_length(darn, x, KEY)),
        "Made, Gaussian mixture": (WHOLE, moved(made_mog()).log_prob),
        "ArNet": (WHOLE, moved(a.ArNet(D, (3,), rngs=RNGS))),
        "chain_rule_log_prob": (BITS, lambda x: a.chain_rule_log_prob(x, 0.3 * jnp.ones((3, D)))),
        "fvsbn_path": (BITS, lambda x: [m.kernel[...] for _, m in a.fvsbn_path(x, penalties=[0.1], max_steps=3)]),
        "least_squares": (np.array([1, 3, 2, 5, 4, 4, 7, 1, 0, 2]), lambda x: a.least_squares(x, 2).coefficients),
        "yule_walker": (np.array([1, 3, 2, 5, 4, 4, 7, 1, 0, 2]), lambda x: a.yule_walker(x, 2).coefficients),
    }  # fmt: skip
    for name, layer in layers().items():
        moved(layer)
        found[f"{name}.forward"], found[f"{name}.inverse"] = (WHOLE, layer.forward), (WHOLE, layer.inverse)
    whole_flows = {
        "RealNVP": flows.RealNVP(D, 3, [5], rngs=RNGS), "MAF": flows.MAF(D, 3, [5], rngs=RNGS),
        "IAF": flows.IAF(D, 3, [5], rngs=RNGS), "SplineFlow": flows.SplineFlow(D, 3, [5], rngs=RNGS),
        "MAF, a chain": flows.MAF(D, 3, [5], stacked=False, rngs=RNGS),
    }  # fmt: skip
    found |= {f"{name}.log_prob": (WHOLE, moved(m).log_prob) for name, m in whole_flows.items()}
    context = moved(flows.MAF(D, 2, [5], num_context=D, rngs=RNGS))
    found["MAF.log_prob, context"] = (WHOLE, lambda c: context.log_prob(WHOLE, c))
    vaes = {
        "Vae": v.Vae(D, [5], 2, rngs=RNGS),
        "Vae, logistic": v.Vae(D, [5], 2, likelihood=distributions.Logistic(2), rngs=RNGS),
        "Vae, gaussian": v.Vae(D, [5], 2, likelihood=distributions.Gaussian(), rngs=RNGS),
        "ConvolutionalVae": v.ConvolutionalVae((2, 2), (3,), 2, rngs=RNGS),
    }  # fmt: skip
    for name, m in vaes.items():
        moved(m)
        x = WHOLE if name == "Vae, gaussian" else BITS
        found |= {
            f"{name}.encode": (x, m.encode), f"{name}.reconstruct": (x, m.reconstruct),
            f"{name}.elbo": (x, lambda x, m=m: m.elbo(KEY, x)), f"{name}.iwae": (x, lambda x, m=m: m.iwae(KEY, x, 3)),
            f"{name}.decode": (WHOLE[:, :2], m.decode), f"{name}.decode_mean": (WHOLE[:, :2], m.decode_mean),
        }  # fmt: skip
    found["negative_elbo"] = (BITS, lambda x: v.negative_elbo(vaes["Vae"], x, KEY))
    m2 = moved(v.M2(D, [5], 2, 3, rngs=RNGS))
    found |= {
        "M2.class_logits": (BITS, m2.class_logits), "M2.encode": (BITS, lambda x: m2.encode(x, np.array([0, 1, 2]))),
        "M2.unlabelled_bound": (BITS, lambda x: m2.unlabelled_bound(KEY, x)),
        "M2.labelled_bound": (BITS, lambda x: m2.labelled_bound(KEY, x, np.array([0, 1, 2]))),
    }  # fmt: skip
    coders = {
        "SimpleAutoencoder": e.SimpleAutoencoder(D, 2, rngs=RNGS),
        "DeepAutoencoder": e.DeepAutoencoder(D, [3], 2, rngs=RNGS),
        "TiedAutoencoder": e.TiedAutoencoder(D, [3], 2, rngs=RNGS),
        "LinearAutoencoder": e.LinearAutoencoder(D, 2, rngs=RNGS),
        "DenoisingAutoencoder": e.DenoisingAutoencoder(D, [3], 2, rngs=RNGS),
    }  # fmt: skip
    for name, m in coders.items():
        moved(m)
        found[f"{name}.encode"], found[name] = (BITS, m.encode), (BITS, m)
    found |= {
        "cross_entropy_loss": (BITS, lambda x: e.cross_entropy_loss(coders["SimpleAutoencoder"], x)),
        "squared_error_loss": (BITS, lambda x: e.squared_error_loss(coders["SimpleAutoencoder"], x)),
        "denoising_loss": (WHOLE, lambda x: e.denoising_loss(0.5)(coders["DenoisingAutoencoder"], x, KEY)),
        "binarize": (BITS, binarize),
    }
    p = probability
    found |= {
        "normal_log_prob, x": (WHOLE, lambda x: p.normal_log_prob(x, 200, 0.0)),
        "normal_log_prob, mean": (WHOLE, lambda x: p.normal_log_prob(np.array(200, "u1"), x, 0.0)),
        "normal_log_prob, log_sigma": (WHOLE, lambda x: p.normal_log_prob(3, 1, x)),
        "standard_normal_log_prob": (WHOLE, p.standard_normal_log_prob),
        "bernoulli_log_prob, x": (BITS, lambda x: p.bernoulli_log_prob(x, 0.7)),
        "bernoulli_log_prob, logits": (WHOLE, lambda x: p.bernoulli_log_prob(BITS.astype("u1"), x)),
        "categorical_log_prob, logits": (WHOLE, lambda x: p.categorical_log_prob(np.array([0, 1, 2]), x)),
        "kl_normal, mean": (WHOLE, lambda x: kl_normal(x, 0, np.array(2, "u1"), 1)),
        "kl_normal, log_sigma": (WHOLE, lambda x: kl_normal(0, 0, 1, x)),
        "kl_uniform": (WHOLE, lambda x: p.kl_uniform(x, 5, -4, np.array(9, "u1"))),
        "elbo": (WHOLE, lambda x: p.elbo(x, BITS.astype("u1"))),
        "iwae_bound": (WHOLE, lambda x: p.iwae_bound(x, BITS.astype("u1"))),
        "effective_sample_size": (WHOLE, p.effective_sample_size),
        "nats_to_bits": (WHOLE, p.nats_to_bits),
    }
    return found


def is_map(name: str) -> bool:
    """True for what only computes (a layer, a formula): NaN and infinity go through it, and come out as such."""
    return (
        name.rpartition(".")[2] in ("forward", "inverse", "conditional_logits", "parameters")
        or (name[0].islower() and (name.split(",")[0] in (*dir(probability), "kl_normal")))
        or name in ("ArNet", "Darn.log_joint", "chain_rule_log_prob")
    )


def kinds(x: np.ndarray) -> dict[str, Any]:
    """The same numbers in every dress."""
    found = {
        "int64": x, "int32": x.astype("i4"), "int8": x.astype("i1"), "float64": x.astype("f8"),
        "float32": x.astype("f4"),
        "float16": x.astype("f2"), "big-endian float": x.astype(">f8"), "big-endian int": x.astype(">i4"),
        "Fortran order": np.asfortranarray(x.astype("f4")), "list": x.tolist(), "object": x.astype(object),
        "masked, none of it": np.ma.array(x, mask=np.zeros(x.shape, bool)), "jax int": jnp.asarray(x),
        "jax float16": jnp.asarray(x, jnp.float16), "bfloat16": jnp.asarray(x, jnp.bfloat16),
        "view": np.repeat(x, 2, axis=0)[::2], "read-only": np.array(x), "-0.0": np.where(x == 0, -0.0, x),
    }  # fmt: skip
    found["read-only"].flags.writeable = False
    if x.min() >= 0:
        found["uint8"] = x.astype("u1")
    if set(np.unique(x)) <= {0, 1}:
        found["bool"] = x.astype(bool)
    if x.ndim == 2:
        found["frame"] = pd.DataFrame(x)
    return found


def wrong(x: np.ndarray) -> dict[str, Any]:
    """What no model can take; `x` has real numbers in it."""
    bad = x.astype(float)

    def spoiled(value: float) -> np.ndarray:
        return np.where(np.arange(x.size).reshape(x.shape) == x.size // 2, value, bad)

    return {
        "NaN": spoiled(np.nan), "inf": spoiled(np.inf), "-inf": spoiled(-np.inf), "1e300": spoiled(1e300),
        "None": None, "text": x.astype(str), "complex": x + 1j, "objects": np.full(x.shape, "a", object),
        "ragged": [[1, 0], [1]], "masked": np.ma.array(x, mask=np.arange(x.size).reshape(x.shape) == 1),
        "too narrow": bad[..., :-1], "key": jax.random.split(KEY, x.shape),
    }  # fmt: skip


def values(result: Any) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(result)]


def outcome(function: Callable, x: Any, expected: list[np.ndarray] | None) -> str:
    """ "same", "differs …", "refused", "finite", "not finite" or "unclear: …"."""
    try:
        got = values(function(x))
    except (ValueError, TypeError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        ours = Path(last).is_relative_to(ROOT / "course_lib")
        return "refused" if ours else f"unclear: {type(error).__name__}: {str(error)[:80]}"
    except Exception as error:
        return f"unclear: {type(error).__name__}: {str(error)[:80]}"
    if expected is None:
        return "finite" if all(np.isfinite(g).all() for g in got) else "not finite"
    if len(got) == len(expected) and all(np.array_equal(g, w) for g, w in zip(got, expected, strict=True)):
        return "same"
    return f"differs: {[g.ravel()[:3].tolist() for g in got]} for {[w.ravel()[:3].tolist() for w in expected]}"


def main() -> None:
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry")
    told: dict[str, dict[str, dict[str, str]]] = {}
    for name, (x, function) in entries().items():
        print(name, file=sys.stderr, flush=True)
        expected = values(function(jnp.asarray(x, jnp.float32)))
        assert all(np.isfinite(e).all() for e in expected), name
        told[name] = {
            "kinds": {kind: outcome(function, given, expected) for kind, given in kinds(x).items()},
            "wrong": {kind: outcome(function, given, None) for kind, given in wrong(x).items()},
            "none": {"n = 0": outcome(function, x[:0].astype(np.float32), None)} if x.ndim > 1 else {},
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

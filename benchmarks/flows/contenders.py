"""The same flow in four JAX libraries: a state, a pure training step, and a sampler.

All have coupling masks that alternate (flowjax: halves and permutations), tanh networks of the same sizes from the kept
half to the other, and scales exp(2 tanh(r / 2)). All train with `optax.adam` in one compiled `lax.scan`: no library's
own loop is timed, but how fast its flow can go.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from course_lib.flows import MAF, RealNVP, negative_log_likelihood

RATE = 1e-3


class Size(NamedTuple):
    """One problem: points of d numbers (d even), a flow of so many layers, and the batch."""

    dims: int
    layers: int
    hidden: tuple[int, ...]
    batch: int
    steps: int  # in one timed turn
    draws: dict[str, int]  # samples in one timed turn, by flow

    def __str__(self) -> str:
        return f"{self.dims}-D {self.layers}×{self.hidden[0]} b{self.batch}"


class Contender(NamedTuple):
    """`step(state, batch) -> (state, loss)` and `sample(state, key, n) -> points`, both pure."""

    state: Any
    step: Callable[[Any, jax.Array], tuple[Any, jax.Array]]
    sample: Callable[[Any, Any, int], jax.Array]


def bounded_scale(raw: jax.Array) -> jax.Array:
    """exp(2 tanh(r / 2)), the scale of the course's affine layers."""
    return jnp.exp(2 * jnp.tanh(raw / 2))


def contender(params: Any, loss: Callable[[Any, jax.Array], jax.Array], sample: Callable) -> Contender:
    """Adam on `loss(params, batch)`."""
    optimizer = optax.adam(RATE)

    def step(state: Any, batch: jax.Array) -> tuple[Any, jax.Array]:
        params, opt_state = state
        value, grad = jax.value_and_grad(loss)(params, batch)
        change, opt_state = optimizer.update(grad, opt_state, params)
        return (optax.apply_updates(params, change), opt_state), value

    return Contender((params, optimizer.init(params)), step, lambda state, key, n: sample(state[0], key, n))


def ours(model: Any) -> Contender:
    """A flow of this course."""
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    merge = lambda p: nnx.merge(graphdef, p, rest)  # noqa: E731
    return contender(
        nnx.as_pure(params),
        lambda p, x: negative_log_likelihood(merge(p), x),
        lambda p, key, n: merge(p).sample(key, (n,)),
    )


def course(flow: str, size: Size, stacked: bool = False) -> Contender:
    """`RealNVP` or `MAF`; stacked: its layers are scanned, which compiles sooner and runs slower."""
    build = {"MAF": MAF, "RealNVP": RealNVP}[flow]
    return ours(build(size.dims, size.layers, size.hidden, stacked=stacked, rngs=nnx.Rngs(0)))


def flowjax(flow: str, size: Size) -> Contender:
    """`flowjax.flows.coupling_flow` or `masked_autoregressive_flow`; both scan over their layers."""
    import equinox
    import paramax
    from flowjax import bijections, distributions, flows

    scale = paramax.Parameterize(bounded_scale, jnp.zeros(()))
    transformer = equinox.tree_at(lambda affine: affine.scale, bijections.Affine(), scale)
    build = flows.masked_autoregressive_flow if flow == "MAF" else flows.coupling_flow
    model = build(
        jax.random.key(0), base_dist=paramax.non_trainable(distributions.StandardNormal((size.dims,))),
        transformer=transformer, flow_layers=size.layers, nn_width=size.hidden[0], nn_depth=len(size.hidden),
        nn_activation=jnp.tanh,
    )  # fmt: skip
    params, static = equinox.partition(
        model, equinox.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable)
    )
    merge = lambda p: paramax.unwrap(equinox.combine(p, static))  # noqa: E731
    return contender(
        params, lambda p, x: -merge(p).log_prob(x).mean(), lambda p, key, n: merge(p).sample(key, (n,))
    )  # fmt: skip


class Tanh(nnx.Module):
    """x ↦ outputs numbers, by tanh layers: the conditioner for libraries that let their users bring one."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, *, rngs: nnx.Rngs):
        sizes = [inputs, *hidden, outputs]
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(sizes)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = jnp.tanh(layer(x))
        return self.layers[-1](x)


def distrax(flow: str, size: Size) -> Contender | None:
    """A chain of `distrax.MaskedCoupling`; it has no masked autoregressive layer."""
    if flow == "MAF":
        return None
    with warnings.catch_warnings():  # distrax 0.1.9 touches names that jax has deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        import distrax
    d, rngs = size.dims, nnx.Rngs(0)
    nets = nnx.List([Tanh(d // 2, size.hidden, d, rngs=rngs) for _ in range(size.layers)])
    graphdef, params = nnx.split(nets)

    def affine(raw: jax.Array) -> Any:
        shift, raw_scale = jnp.split(jnp.repeat(raw, 2, axis=-1), 2, axis=-1)  # what it gives to kept ones is ignored
        return distrax.ScalarAffine(shift=shift, log_scale=2 * jnp.tanh(raw_scale / 2))

    def layer(i: int, net: Any) -> Any:
        kept = jnp.asarray(np.arange(d) % 2 == i % 2)
        return distrax.MaskedCoupling(kept, lambda x: net(x[..., i % 2 :: 2]), affine)

    def model(p: Any) -> Any:
        layers = [layer(i, net) for i, net in enumerate(nnx.merge(graphdef, p))]
        base = distrax.MultivariateNormalDiag(jnp.zeros(d), jnp.ones(d))
        return distrax.Transformed(base, distrax.Block(distrax.Chain(layers), 0))

    return contender(
        nnx.as_pure(params),
        lambda p, x: -model(p).log_prob(x).mean(),
        lambda p, key, n: model(p).sample(seed=key, sample_shape=(n,)),
    )


def bijx(flow: str, size: Size) -> Contender | None:
    """A chain of `bijx.GeneralCouplingLayer`; it has no masked autoregressive layer."""
    if flow == "MAF":
        return None
    import bijx

    rngs, mask, layers = nnx.Rngs(0), bijx.checker_mask((size.dims,), True), []
    for _ in range(size.layers):
        template = bijx.ModuleReconstructor(bijx.AffineLinear(transform_scale=bounded_scale, rngs=rngs))
        moved, kept = mask.counts
        net = Tanh(kept, size.hidden, 2 * moved, rngs=rngs)
        shaped = nnx.Sequential(net, lambda raw, n=moved: raw.reshape(*raw.shape[:-1], n, 2))
        layers.append(bijx.GeneralCouplingLayer(shaped, mask, template, bijection_event_rank=0))
        mask = ~mask
    base = bijx.IndependentNormal((size.dims,), rngs=rngs)
    graphdef, params, rest = nnx.split(bijx.Transformed(base, bijx.Chain(*layers)), nnx.Param, ...)
    merge = lambda p: nnx.merge(graphdef, p, rest)  # noqa: E731
    return contender(
        nnx.as_pure(params),
        lambda p, x: -merge(p).log_density(x).mean(),
        lambda p, key, n: merge(p).sample((n,), rng=key)[0],
    )


LIBRARIES: dict[str, Callable[[str, Size], Contender | None]] = {
    "ours": course, "ours, scanned": lambda flow, size: course(flow, size, stacked=True), "flowjax": flowjax,
    "distrax": distrax, "bijx": bijx,
}  # fmt: skip

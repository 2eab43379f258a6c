"""Models under the standard idioms: built inside of compiled code, in double precision, asked for nothing at all."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.autoencoders import ConvolutionalAutoencoder, DeepAutoencoder, LinearAutoencoder, SimpleAutoencoder
from course_lib.autoregressive import (
    ArNet,
    Darn,
    Fvsbn,
    Made,
    Nade,
    OrderlessNade,
    PixelCNN,
    SingleStackPixelCNN,
)
from course_lib.distributions import Categorical, Gaussian, GaussianMixture, Logistic
from course_lib.flows import IAF, MAF, RealNVP, SplineFlow
from course_lib.vae import M2, ConvolutionalVae, Vae
from tests.compiled import ENVIRONMENT
from tests.places.people import environment, python

MODELS = {
    "Made": lambda rngs: Made(4, [6], rngs=rngs),
    "Made, direct": lambda rngs: Made(4, [6, 5], ordering=[3, 1, 0, 2], direct=True, rngs=rngs),
    "Nade": lambda rngs: Nade(4, 3, rngs=rngs),
    "OrderlessNade": lambda rngs: OrderlessNade(4, [6], rngs=rngs),
    "Fvsbn": lambda rngs: Fvsbn(4),
    "Darn": lambda rngs: Darn(4, 2, rngs=rngs),
    "Made, Gaussian mixture": lambda rngs: Made(4, [6], likelihood=GaussianMixture(2), rngs=rngs),
    "Nade of levels": lambda rngs: Nade(4, 3, likelihood=Logistic(5), rngs=rngs),
    "Darn of levels": lambda rngs: Darn(4, 2, likelihood=Categorical(3), rngs=rngs),
    "PixelCNN": lambda rngs: PixelCNN((2, 3), 3, (1,), rngs=rngs),
    "PixelCNN of levels": lambda rngs: PixelCNN((2, 3), 3, (1,), likelihood=Categorical(5), rngs=rngs),
    "SingleStackPixelCNN": lambda rngs: SingleStackPixelCNN((2, 3), 3, (1,), rngs=rngs),
    "ArNet": lambda rngs: ArNet(3, (4,), rngs=rngs),
    "RealNVP": lambda rngs: RealNVP(4, 3, [5], rngs=rngs),
    "MAF": lambda rngs: MAF(4, 3, [5], rngs=rngs),
    "IAF": lambda rngs: IAF(4, 3, [5], rngs=rngs),
    "SplineFlow": lambda rngs: SplineFlow(4, 3, [5], rngs=rngs),
    "Vae": lambda rngs: Vae(4, [5], 2, rngs=rngs),
    "Vae, logistic": lambda rngs: Vae(4, [5], 2, likelihood=Logistic(5), scale="of the pixel", rngs=rngs),
    "Vae, gaussian": lambda rngs: Vae(4, [5], 2, likelihood=Gaussian(), scale="common", rngs=rngs),
    "ConvolutionalVae": lambda rngs: ConvolutionalVae((4, 4), (3,), 2, rngs=rngs),
    "M2": lambda rngs: M2(4, [5], 2, 3, rngs=rngs),
    "SimpleAutoencoder": lambda rngs: SimpleAutoencoder(4, 2, rngs=rngs),
    "DeepAutoencoder": lambda rngs: DeepAutoencoder(4, [3], 2, rngs=rngs),
    "LinearAutoencoder": lambda rngs: LinearAutoencoder(4, 2, rngs=rngs),
    "ConvolutionalAutoencoder": lambda rngs: ConvolutionalAutoencoder((4, 4), (3,), 2, rngs=rngs),
}
SAMPLED = [name for name in MODELS if hasattr(MODELS[name](nnx.Rngs(0)), "sample")]
every_model = pytest.mark.parametrize("name", MODELS)


def shapes(model: nnx.Module) -> list[tuple]:
    return [
        (jax.tree_util.keystr(p), x.shape, x.dtype) for p, x in jax.tree_util.tree_leaves_with_path(nnx.state(model))
    ]


@every_model
def test_a_model_can_be_built_inside_of_compiled_code(name):
    build = MODELS[name]
    inside, outside = nnx.jit(lambda key: build(nnx.Rngs(key)))(jax.random.key(0)), build(nnx.Rngs(0))
    assert shapes(inside) == shapes(outside)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(nnx.state(inside, nnx.Param)))


@every_model
def test_a_model_has_shapes_without_numbers(name):
    build = MODELS[name]
    assert shapes(nnx.eval_shape(lambda: build(nnx.Rngs(0)))) == shapes(build(nnx.Rngs(0)))


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), ()])
def test_no_samples_are_an_array_without_rows(name, shape):
    model = MODELS[name](nnx.Rngs(0))
    one = model.sample(jax.random.key(0), (1,))
    got = model.sample(jax.random.key(0), shape)
    assert got.shape == (*shape, *one.shape[1:])
    if hasattr(model, "log_prob"):
        assert model.log_prob(got).shape == shape


QUESTIONS = {  # what a learner asks of a model, as functions of it and of what it generated
    "log_prob": lambda m, x: m.log_prob(x),
    "elbo": lambda m, x: m.elbo(jax.random.key(1), x, 2),
    "iwae": lambda m, x: m.iwae(jax.random.key(1), x, 3),
    "exact_log_prob": lambda m, x: m.exact_log_prob(x),
    "encode": lambda m, x: m.encode(x, np.zeros(len(x), int)) if isinstance(m, M2) else m.encode(x),
    "reconstruct": lambda m, x: m.reconstruct(x),
    "log_probs": lambda m, x: m.parameters(x),
    "decode_logits": lambda m, x: m(x),
    "bijection": lambda m, x: (m.bijection.inverse(x), m.bijection.forward(x)),
}


def compilations(function) -> int:
    found = []
    listener = lambda name, *_, **__: found.append(name) if name.endswith("backend_compile_duration") else None  # noqa: E731
    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        jax.block_until_ready(function())
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    return len(found)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "ArNet"])  # a network: it has its values alone
def test_what_is_asked_twice_is_compiled_once(name):
    model = MODELS[name](nnx.Rngs(0))
    x = np.zeros((3, model.num_inputs if hasattr(model, "num_inputs") else 4))
    if name in SAMPLED:
        x = model.sample(jax.random.key(0), (3,))
        assert compilations(lambda: model.sample(jax.random.key(1), (3,))) == 0
    asked = {question: ask for question, ask in QUESTIONS.items() if hasattr(model, question)}
    assert asked
    for question, ask in asked.items():
        ask(model, x)
        assert compilations(lambda ask=ask: ask(model, x)) == 0, question


def test_a_program_that_is_made_anew_is_counted():
    """Negative control: a loop over a function that is another one each time."""
    loop = lambda: jax.lax.map(lambda x: 3 * x, np.arange(4.0))  # noqa: E731
    loop()
    assert compilations(loop) > 0


IN_DOUBLES = """
import json, jax
jax.config.update("jax_enable_x64", True)
import numpy as np
from flax import nnx
from tests.laws.test_models_anywhere import MODELS, SAMPLED
told = {}
for name in SAMPLED:
    model = MODELS[name](nnx.Rngs(0))
    x = model.sample(jax.random.key(0), (3,))
    score = getattr(model, "log_prob", None) or (lambda x, m=model: m.elbo(jax.random.key(1), x))
    values = score(np.asarray(x, np.float32))
    told[name] = [str(x.dtype), str(values.dtype), bool(np.isfinite(values).all())]
print(json.dumps(told))
"""


def test_every_model_computes_in_double_precision_where_jax_is_told_to():
    done = python("-c", IN_DOUBLES, env=environment(**ENVIRONMENT))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {name: row for name, row in told.items() if row != ["float64", "float64", True]} == {}


@pytest.mark.parametrize("dtype", [jnp.float32])
def test_a_spline_comes_back_where_rounding_makes_its_discriminant_negative(dtype):
    from course_lib.flows.spline import rational_quadratic_inverse

    width, height, left, right = 0.97058153, 0.00126600, 6.28634834, 0.00240149
    knots_z, knots_x, slopes = (jnp.array([v], dtype) for v in ([0.0, width], [0.0, height], [left, right]))
    x = jnp.array([0.99962335 * height], dtype)

    def total(x, slopes):
        z, log_slope = rational_quadratic_inverse(x, knots_z, knots_x, slopes)
        return (z + log_slope).sum()

    value, gradients = jax.value_and_grad(total, argnums=(0, 1))(x, slopes)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)

"""Every kind of optax optimizer runs in the loop, line searches included."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from course_lib.training import cosine_adam, fit
from tests.training.problems import examples, line


def labelled(params):
    return jax.tree.map(lambda x: "matrix" if x.ndim > 1 else "vector", params)


OPTIMIZERS = {
    "sgd with momentum": optax.sgd(0.1, momentum=0.9),
    "adamw, masked": optax.adamw(1e-2, mask=lambda params: jax.tree.map(lambda x: x.ndim > 1, params)),
    "clipped, scheduled": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.1, 9))),
    "two groups": optax.multi_transform({"matrix": optax.adam(1e-2), "vector": optax.sgd(1e-2)}, labelled),
    "every second step": optax.MultiSteps(optax.adam(1e-2), 2).gradient_transformation(),
    "line search": optax.lbfgs(),
    "plateau": optax.chain(optax.adam(1e-2), optax.contrib.reduce_on_plateau()),
    "noise": optax.chain(optax.add_noise(0.01, 0.5, jax.random.key(0)), optax.sgd(0.1)),
    "injected": optax.inject_hyperparams(optax.adam)(1e-2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optax_optimizer(name):
    def squares(model, batch, key):
        x, y = batch
        return jnp.mean((model(x)[..., 0] - y) ** 2)

    model = line()
    history = fit(
        model, squares, examples(), key=jax.random.key(0), epochs=3, batch_size=50, optimizer=OPTIMIZERS[name],
        progress=False,
    )  # fmt: skip
    assert np.isfinite(history.train_loss).all()
    assert history.train_loss[-1] < history.train_loss[0]


def test_the_cosine_falls_from_the_rate_to_zero():
    optimizer, params = cosine_adam(0.1, 100), jnp.zeros(())
    state, steps = optimizer.init(params), []
    for _ in range(110):
        update, state = optimizer.update(jnp.ones(()), state, params)  # for a constant gradient Adam moves by the rate
        steps.append(-float(update))
    t = np.arange(110)
    expected = 0.05 * (1 + np.cos(np.pi * np.minimum(t, 100) / 100))
    np.testing.assert_allclose(steps, expected, rtol=1e-3, atol=1e-6)

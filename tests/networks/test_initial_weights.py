"""What a network starts with: the right spread, the same for equal keys, and no compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy import stats

from course_lib.networks import fan_in_normal, linear, zeros


def test_weights_are_normal_with_variance_one_over_fan_in():
    for shape, fan_in in (((400, 300), 400), ((3, 3, 40, 200), 360)):
        weights = np.asarray(fan_in_normal(jax.random.key(0), shape), np.float64)
        assert weights.shape == shape
        assert stats.kstest(weights.ravel() * fan_in**0.5, "norm").pvalue > 1e-3
        # negative control: the test sees a variance that is 10 % off
        assert stats.kstest(weights.ravel() * (1.1 * fan_in) ** 0.5, "norm").pvalue < 1e-6


def test_equal_keys_give_equal_weights_and_others_do_not():
    one, again, other = (fan_in_normal(jax.random.key(seed), (20, 20)) for seed in (1, 1, 2))
    assert (one == again).all()
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.2


def test_a_layer_keeps_the_scale_of_its_inputs_or_starts_at_zero():
    x = jax.random.normal(jax.random.key(3), (2000, 50))
    layer = linear(50, 400, nnx.Rngs(0))
    assert abs(float(layer(x).std()) - 1) < 0.02
    assert not layer.bias[...].any()
    assert not linear(50, 4, nnx.Rngs(0), start_at_zero=True)(x).any()
    assert zeros(None, (2, 3)).dtype == jnp.float32


def test_no_program_is_compiled_for_another_shape():
    compiled = []
    fan_in_normal(jax.random.key(0), (2, 2))

    def note(event, seconds, **_):
        if "backend_compile" in event:
            compiled.append(event)

    key = jax.random.key(1)
    jax.monitoring.register_event_duration_secs_listener(note)
    fan_in_normal(key, (17, 23))
    zeros(None, (19,))
    assert compiled == []
    jax.jit(lambda t: t * 3.25)(1.0)  # the listener does listen
    assert compiled

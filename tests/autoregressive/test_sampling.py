"""Samples: the fast samplers draw what one full pass a pixel draws, from the right distribution, known pixels kept."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks.sampling import measure, row_of
from course_lib.autoregressive import Autoregressive, Made, Nade, OrderlessNade, enumerate_binary
from course_lib.autoregressive.masked_sampling import largest_groups
from course_lib.autoregressive.orderless import known_first
from course_lib.autoregressive.sampling import chooser, make_request
from course_lib.probability import bernoulli_log_prob
from tests.laws.registry import DISCRETE_DENSITIES, perturbed
from tests.laws.test_discrete_density_laws import chi_square_rejects

KINDS = {n: b for n, b in DISCRETE_DENSITIES.items() if "in order" not in n}
every_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS.keys())
D, NUM = 9, 400


def one_pass_a_pixel(model, key, n, label=None, **options):
    """The sampler that the base class defines, whatever the subclass does."""
    options = {"temperature": 1.0, "given": None, "known": None} | options
    request = make_request(model.event_shape, (n,), **options, likelihood=model.likelihood)._replace(label=label)
    return naive(*nnx.split(model), key, request)


@partial(jax.jit, static_argnums=0)
def naive(graphdef, state, key, request):
    model = nnx.merge(graphdef, state)
    order = model.order_for(request.known)
    choose = chooser(model.likelihood, key, order, request)
    return Autoregressive.draw(model, choose, order, len(request.given), None, request.label)


def prefix(model, length):
    """A mask of the first pixels of the ordering."""
    return (np.argsort(model.ordering[...]) < length).astype(int)


@every_kind
def test_fast_and_naive_samples_are_equal_bit_for_bit(build):
    model = build(D, 1)
    given = jax.random.bernoulli(jax.random.key(7), 0.5, (NUM, D)).astype(float)
    for seed, (temperature, length) in enumerate([(1.0, 0), (0.6, 4), (2.5, D)]):
        options = {"temperature": temperature, "given": given, "known": prefix(model, length)}
        fast = model.sample(jax.random.key(seed), (NUM,), **options)
        np.testing.assert_array_equal(fast, one_pass_a_pixel(model, jax.random.key(seed), NUM, **options))
        known = prefix(model, length) > 0
        np.testing.assert_array_equal(fast[:, known], given[:, known])


def test_other_keys_and_other_models_draw_other_bits():
    """Or the equality above would say nothing."""
    model, other = DISCRETE_DENSITIES["Made, shuffled"](D, 1), DISCRETE_DENSITIES["Made, shuffled"](D, 2)
    fast = model.sample(jax.random.key(4), (NUM,))
    assert (fast != one_pass_a_pixel(model, jax.random.key(5), NUM)).any()
    assert (fast != one_pass_a_pixel(other, jax.random.key(4), NUM)).any()


@pytest.mark.parametrize("name", ["Made with everything", "DeepNADE", "Nade, shuffled"])
def test_samples_inside_compiled_code_are_the_same(name):
    """Masks may be values that are not there yet: all units are computed then."""
    model = KINDS[name](D, 1)
    graphdef, state = nnx.split(model)
    inside = jax.jit(lambda state, key: nnx.merge(graphdef, state).sample(key, (50,)))
    np.testing.assert_array_equal(inside(state, jax.random.key(0)), model.sample(jax.random.key(0), (50,)))


def test_a_made_with_labels_samples_fast_too():
    model = perturbed(Made(D, (30, 20), num_classes=3, direct=True, rngs=nnx.Rngs(0)), 0)
    label = jnp.arange(NUM) % 3
    slow = one_pass_a_pixel(model, jax.random.key(1), NUM, label=label)
    np.testing.assert_array_equal(model.sample(jax.random.key(1), (NUM,), label), slow)


def test_the_largest_group_is_counted():
    degrees = [np.array([1, 2, 3, 4]), np.array([1, 3, 3, 2]), np.array([2, 2, 2, 1, 3])]
    assert largest_groups(degrees) == (2, 3)


def chi_square_of_free_pixels(samples, p, known):
    """`chi_square_rejects` over the pixels that were not given."""
    table = np.asarray(p).reshape((2,) * len(known)).sum(axis=tuple(np.flatnonzero(known)))
    return chi_square_rejects(samples[:, known == 0], table.ravel())


@pytest.mark.parametrize("name", ["Nade, shuffled", "Made with everything", "Made, redrawn", "DeepNADE"])
def test_completions_follow_the_exact_conditional(name):
    model, x = KINDS[name](5, 3), enumerate_binary(5)
    known, given = prefix(model, 2), jnp.ones(5)
    fits = (x == given[None, :])[:, known > 0].all(axis=1)
    exact = jnp.where(fits, jnp.exp(model.log_prob(x)), 0.0)
    samples = model.sample(jax.random.key(8), (20_000,), given=given, known=known)
    assert not chi_square_of_free_pixels(samples, exact / exact.sum(), np.asarray(known))


@pytest.mark.parametrize("known", [[0, 1, 0, 0, 1, 0], [1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 1]])
@pytest.mark.parametrize("name", ["OrderlessNade", "DeepNADE"])
def test_an_orderless_model_completes_any_subset(name, known):
    """p(free | known) = p(free, known) / p(known), in the ordering that has the known pixels first."""
    model, x, known = KINDS[name](6, 2), enumerate_binary(6), np.array(known)
    given = jnp.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    reading = model.with_ordering(known_first(model.ordering[...], known))
    p = jnp.where((x == given[None, :])[:, known > 0].all(axis=1), jnp.exp(reading.log_prob(x)), 0.0)
    samples = model.sample(jax.random.key(3), (20_000,), given=given, known=known)
    assert not chi_square_of_free_pixels(samples, p / p.sum(), known)
    free = jnp.exp(model.log_prob(x))  # what comes out if the known pixels are ignored
    assert chi_square_of_free_pixels(samples, free / free.sum(), known)
    slow = one_pass_a_pixel(reading, jax.random.key(3), 20_000, given=given, known=known)
    np.testing.assert_array_equal(samples, slow)


@pytest.mark.parametrize("name", ["Nade, shuffled", "Made of three layers, shuffled", "DeepNADE"])
def test_temperature_divides_every_logit(name):
    model, x = KINDS[name](5, 3), enumerate_binary(5)
    exact = {t: jnp.exp(bernoulli_log_prob(x, model.conditional_logits(x) / t).sum(axis=1)) for t in (0.5, 1.0)}
    samples = model.sample(jax.random.key(8), (20_000,), temperature=0.5)
    assert not chi_square_rejects(samples, exact[0.5])
    assert chi_square_rejects(samples, exact[1.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"given": np.zeros(4)}, "give both or neither"),
        ({"known": np.zeros(4)}, "give both or neither"),
        ({"given": np.zeros(4), "known": np.zeros(3)}, r"known has shape \(3,\); expected \(4,\)"),
        ({"given": np.zeros((2, 4)), "known": np.zeros(4)}, r"given has shape \(2, 4\); expected \(4,\) or \(3, 4\)"),
        ({"given": np.zeros(5), "known": np.zeros(4)}, r"given has shape \(5,\)"),
        ({"given": np.full(4, 0.5), "known": np.array([1, 0, 0, 1])}, "given has values from 0 to 0.5"),
        ({"given": np.zeros(4), "known": np.array([1, 1, 0, 0])}, "known keeps pixel 1, but not all of its pred"),
        ({"label": 1}, "label is 1; Nade was built with num_classes=None"),
    ],
)
def test_errors(options, message):
    model = Nade(4, 3, ordering=[3, 0, 2, 1], rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=message):
        model.sample(jax.random.key(0), (3,), **options)


def test_values_of_unknown_pixels_do_not_matter():
    model = Nade(4, 3, ordering=[3, 0, 2, 1], rngs=nnx.Rngs(0))
    known = np.array([1, 0, 0, 1])
    first, again = (
        model.sample(jax.random.key(0), (2, 3), given=np.array([1.0, u, u, 0.0]), known=known) for u in (np.nan, 0)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[..., known > 0], np.broadcast_to([1.0, 0.0], (2, 3, 2)))


def test_the_benchmark_compares_like_with_like():
    for model in (
        Made(12, (9, 9), ordering=np.arange(12)[::-1], rngs=nnx.Rngs(0)),
        OrderlessNade(12, (9,), rngs=nnx.Rngs(0)),
    ):
        found = measure(row_of(model, 30), turns=1, seconds=60.0)
        assert (found["steps"], found["differ"], found["compared"]) == (12, 0, 12 * 30)

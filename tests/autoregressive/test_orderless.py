"""Orderless NADE, redrawn masks, labels, given degrees: construction, losses against enumeration, errors."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks.density.redrawn_masks import Ensemble, RedrawnMade, draw_degrees, redrawn_loss
from course_lib.autoregressive import Made, OrderlessNade, enumerate_binary, negative_log_likelihood, orderless_loss
from course_lib.autoregressive.orderless import known_first
from course_lib.networks import Fixed
from course_lib.networks.masks import masks_of_degrees
from course_lib.probability import bernoulli_log_prob
from tests.laws.registry import perturbed
from tests.laws.test_discrete_density_laws import chi_square_rejects
from tests.tolerances import FLOAT32, within_standard_errors


def small_orderless(d=4, hidden_sizes=(7, 6)):
    return perturbed(OrderlessNade(d, hidden_sizes, rngs=nnx.Rngs(0)), 0)


def mean_over_orderings(model, x):
    orders = jnp.array(list(itertools.permutations(range(model.num_inputs))))
    return -jax.lax.map(lambda order: model.with_ordering(order).log_prob(x), orders).mean(axis=0)


def test_the_loss_with_every_subset_is_the_mean_over_all_orderings():
    """E over d and O of D/(D − d) Σ_{i ∉ O} −log p(x_i | x_O) = mean over the D! orderings of −log p(x)."""
    model, x = small_orderless(), enumerate_binary(4)
    total, without_weight = jnp.zeros(16), jnp.zeros(16)
    for d in range(4):
        subsets = list(itertools.combinations(range(4), d))
        for chosen in subsets:
            observed = jnp.zeros(4).at[jnp.array(chosen, int)].set(1.0)
            log_p = bernoulli_log_prob(x, model.from_observed(x, jnp.broadcast_to(observed, x.shape))[..., 0])
            rest = -(log_p * jnp.broadcast_to(1 - observed, x.shape)).sum(axis=1) / len(subsets) / 4
            total, without_weight = total + rest * 4 / (4 - d), without_weight + rest
    np.testing.assert_allclose(total, mean_over_orderings(model, x), **FLOAT32)
    assert float(jnp.abs(without_weight - total).min()) > 0.1


def test_the_loss_is_an_unbiased_estimate():
    model, x = small_orderless(), jnp.array([1.0, 0.0, 1.0, 1.0])
    batch = jnp.broadcast_to(x, (64, 4))
    losses = jax.jit(jax.vmap(lambda key: orderless_loss(model, batch, key)))(jax.random.split(jax.random.key(0), 500))
    error = losses.std() / len(losses) ** 0.5
    assert within_standard_errors(losses.mean(), mean_over_orderings(model, x), error)


def test_conditionals_are_those_of_the_network_with_the_predecessors_observed():
    model, x = small_orderless(6).redrawn(jax.random.key(1)), enumerate_binary(6)[::5]
    order, logits = np.asarray(model.ordering[...]), model.conditional_logits(x)
    for t, pixel in enumerate(order):
        observed = jnp.zeros_like(x).at[:, order[:t]].set(1.0)
        np.testing.assert_allclose(logits[:, pixel], model.from_observed(x, observed)[:, pixel, 0], **FLOAT32)
        other = jnp.where(observed > 0, x, 1 - x)
        np.testing.assert_allclose(model.from_observed(other, observed), model.from_observed(x, observed), **FLOAT32)


def test_readings_share_the_parameters_and_leave_the_model_alone():
    for model in (small_orderless(), RedrawnMade(4, (9,), rngs=nnx.Rngs(0))):
        before = jax.tree.map(jnp.copy, nnx.state(model))
        reading = model.redrawn(jax.random.key(3))
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(nnx.state(model)), strict=True):
            np.testing.assert_array_equal(a, b)
        parameters = [jax.tree.leaves(nnx.state(m, nnx.Param)) for m in (model, reading)]
        assert all((a == b).all() for a, b in zip(*parameters, strict=True))
        changed = [jax.tree.leaves(nnx.state(m, Fixed)) for m in (model, reading)]
        assert any((a != b).any() for a, b in zip(*changed, strict=True))


def test_known_pixels_come_first():
    assert known_first(jnp.array([4, 2, 0, 1, 3]), np.array([1, 0, 0, 1, 0])).tolist() == [0, 3, 4, 2, 1]


def test_redrawn_masks_inside_compiled_code_are_those_outside():
    model, x, key = (
        perturbed(RedrawnMade(5, (8, 9), rngs=nnx.Rngs(0)), 0),
        enumerate_binary(5),
        jax.random.key(6),
    )
    loss, gradients = nnx.jit(nnx.value_and_grad(redrawn_loss))(model, x, key)
    again = model.redrawn(jax.random.key(6))
    np.testing.assert_allclose(loss, -again.log_prob(x).mean(), **FLOAT32)
    assert all((np.asarray(g) != 0).any() for g in jax.tree.leaves(gradients))
    assert sorted(again.ordering[...].tolist()) == list(range(5))
    kept = model.redrawn(jax.random.key(6), ordering=jnp.array([4, 3, 2, 1, 0]))
    assert kept.ordering[...].tolist() == [4, 3, 2, 1, 0]
    assert abs(float(jnp.exp(kept.log_prob(x)).sum()) - 1) < 1e-5


def test_a_few_mask_sets_are_used_again_and_again():
    model, x = perturbed(RedrawnMade(4, (8,), rngs=nnx.Rngs(0)), 0), enumerate_binary(4)
    keys = jax.random.split(jax.random.key(1), 3)
    each = [float(-model.redrawn(key).log_prob(x).mean()) for key in jax.random.clone(keys)]
    loss = partial(redrawn_loss, keys=keys)
    found = {round(float(loss(model, x, key)), 4) for key in jax.random.split(jax.random.key(2), 20)}
    assert found == {round(value, 4) for value in each}


def test_drawn_degrees_take_every_value():
    degrees = draw_degrees(jax.random.key(0), jnp.array([2, 0, 1, 3]), (300, 200))
    assert degrees[0].tolist() == [2, 3, 1, 4]
    for m in degrees[1:]:
        assert not chi_square_rejects_uniform(np.asarray(m), 3)
        assert (np.diff(m) < 0).any()


def chi_square_rejects_uniform(values, most):
    counts = np.bincount(values, minlength=most + 1)[1:]
    return len(counts) != most or ((counts - len(values) / most) ** 2 / (len(values) / most)).sum() > 30


def test_degrees_decide_the_masks():
    degrees = [np.arange(1, 5), np.array([3, 1, 2])]
    first, second = masks_of_degrees(degrees)
    np.testing.assert_array_equal(first, [[1, 1, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(second, [[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]])
    np.testing.assert_array_equal(masks_of_degrees(degrees, direct=True)[1][3:], np.triu(np.ones((4, 4)), 1))


def test_weights_that_see_the_mask_change_the_prediction():
    model = RedrawnMade(4, (5,), rngs=nnx.Rngs(0))
    x = jnp.ones(4)
    before = model.conditional_logits(x)
    model.layers[0].sight_kernel[...] = jnp.ones((4, 5))
    assert (before != model.conditional_logits(x)).any()


def test_orderless_errors():
    with pytest.raises(ValueError, match="at least one hidden layer"):
        OrderlessNade(4, (), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="a hidden size is 0"):
        OrderlessNade(4, (3, 0), rngs=nnx.Rngs(0))
    model = small_orderless()
    with pytest.raises(ValueError, match="no permutation"):
        model.with_ordering([0, 1, 2, 2])
    with pytest.raises(ValueError, match="OrderlessNade was built for"):
        orderless_loss(model, jnp.zeros((3, 5)), jax.random.key(0))
    with pytest.raises(ValueError, match="a Bernoulli likelihood needs"):
        orderless_loss(model, jnp.full((3, 4), 0.5), jax.random.key(0))
    with pytest.raises(ValueError, match="Ensemble was built for"):
        Ensemble(model, jax.random.split(jax.random.key(0), 2)).log_prob(np.zeros(3))


def made_with_labels(d=6):
    return perturbed(Made(d, (12, 10), num_classes=3, ordering=np.arange(d)[::-1], rngs=nnx.Rngs(0)), 0)


def test_every_label_has_a_distribution_of_its_own():
    model, x = made_with_labels(), enumerate_binary(6)
    log_p = jnp.stack([model.log_prob(x, label) for label in range(3)])
    np.testing.assert_allclose(jnp.exp(log_p).sum(axis=1), 1.0, **FLOAT32)
    logits = jnp.stack([model.conditional_logits(x, label) for label in range(3)])
    assert (logits[0] != logits[1]).all(), "the label must reach every pixel, the first one too"
    labels = jnp.arange(64) % 3
    each = model.log_prob(x, labels)
    np.testing.assert_allclose(each, log_p[labels, jnp.arange(64)], **FLOAT32)
    np.testing.assert_allclose(negative_log_likelihood(model, (x, labels), None), -each.mean(), **FLOAT32)


def test_samples_have_the_distribution_of_their_label():
    model, x = made_with_labels(), enumerate_binary(6)
    labels = jnp.array([2, 0])[:, None]
    samples = model.sample(jax.random.key(0), (2, 20_000), jnp.broadcast_to(labels, (2, 20_000)))
    assert not chi_square_rejects(samples[0], jnp.exp(model.log_prob(x, 2)))
    assert not chi_square_rejects(samples[1], jnp.exp(model.log_prob(x, 0)))
    assert chi_square_rejects(samples[0], jnp.exp(model.log_prob(x, 0)))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (None, "label is None; Made was built with num_classes=3: give one"),
        (3, "label has values from 3 to 3; expected 0 to 2"),
        (np.array([0, -1]), "label has values from -1 to 0"),
        (1.0, "label has dtype float64; expected integers from 0 to 2"),
        (np.zeros(3, int), r"label has shape \(3,\)"),
    ],
)
def test_labels_are_checked(label, message):
    model = made_with_labels()
    with pytest.raises(ValueError, match=message):
        model.log_prob(np.zeros((2, 6)), label)
    with pytest.raises(ValueError, match=message):
        model.sample(jax.random.key(0), (2,), label)


def test_a_model_without_classes_wants_no_label():
    with pytest.raises(ValueError, match="label is 0; OrderlessNade was built with num_classes=None: give no label"):
        small_orderless().log_prob(np.zeros(4), 0)

"""PixelCNN: exact probabilities, leaks, the blind spot, samples from caches against full passes, errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.autoregressive import PixelCNN, SingleStackPixelCNN, enumerate_binary, negative_log_likelihood
from course_lib.autoregressive.sampling import chooser, make_request
from course_lib.distributions import Bernoulli, Categorical, LogisticMixture
from course_lib.networks import causal_convolution, convolution_mask
from tests.laws.registry import perturbed
from tests.laws.test_discrete_density_laws import chi_square_rejects
from tests.tolerances import FLOAT32

KINDS = {"one stack": SingleStackPixelCNN, "two stacks": PixelCNN}
LIKELIHOODS = {"ink": Bernoulli(), "softmax": Categorical(5), "mixture": LogisticMixture(17, 3)}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
every_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS.values(), ids=LIKELIHOODS.keys())
STATES = np.asarray(enumerate_binary(12)).reshape(-1, 3, 4)


def build(kind, shape=(3, 4), channels=6, dilations=(1, 2), first_radius=1, scale=0.3, **more):
    return perturbed(kind(shape, channels, dilations, first_radius=first_radius, rngs=nnx.Rngs(0), **more), 0, scale)


def dependencies(model, seed=0) -> np.ndarray:
    """Entry [l, i, j, k, m]: do the features of pixel (i, j) after layer l + 1 react to input (k, m)? Last: logits."""
    x = jax.random.normal(jax.random.key(seed), model.image_shape)
    label = None if model.num_classes is None else jnp.zeros(1, int)

    def outputs(x):
        logits = model.read_out(model.features(x, label)[-1])
        return jnp.stack([h[0].sum(axis=-1) for h in [*model.features(x, label), logits]])

    return np.asarray(jax.jit(jax.jacrev(outputs))(x)) != 0


def expected(kind, shape, first_radius, dilations) -> np.ndarray:
    """The dependencies by theory: which paths there are from place to place, layer by layer, within the image."""
    i, j, k, m = np.indices((*shape, *shape)).reshape(4, shape[0] * shape[1], -1)
    down, right = k - i, m - j

    def near(radius, d=1):
        on_grid = (down % d == 0) & (right % d == 0)
        return on_grid & (abs(down) <= radius * d) & (abs(right) <= radius * d)

    before, here = (down < 0) | ((down == 0) & (right < 0)), (down == 0) & (right == 0)
    above, fields = near(first_radius) & (down < 0), [near(first_radius) & before]
    for d in dilations:
        if kind is SingleStackPixelCNN:
            new = (near(1, d) & (before | here)) @ fields[-1]
        else:
            above = (near(1, d) & (down <= 0)) @ above
            new = (near(1, d) & (down == 0) & (right <= 0)) @ fields[-1] | above
        fields.append(fields[-1] | new)
    return np.stack([*fields, fields[-1]]).reshape(-1, *shape, *shape)


@every_kind
@pytest.mark.parametrize("num_classes", [None, 3])
def test_total_probability_over_all_images_is_one(kind, num_classes):
    model = build(kind, num_classes=num_classes)
    for label in [None] if num_classes is None else range(3):
        log_p = model.log_prob(STATES, label)
        assert abs(float(jnp.exp(log_p).sum()) - 1) < 1e-5
        assert float(log_p.max() - log_p.min()) > 2, "a nearly uniform model would make this easy to meet"


@pytest.mark.parametrize("likelihood", [Categorical(3), LogisticMixture(3, 2)], ids=["softmax", "mixture"])
@every_kind
def test_total_probability_over_all_grey_images_is_one(kind, likelihood):
    model = build(kind, (2, 3), likelihood=likelihood)
    x = np.stack(np.meshgrid(*6 * [np.arange(3) / 2], indexing="ij"), axis=-1).reshape(-1, 2, 3)
    assert abs(float(jnp.exp(model.log_prob(x)).sum()) - 1) < 1e-5


@pytest.mark.parametrize(("first_radius", "dilations"), [(1, (1, 1, 1)), (2, (1,)), (3, (2, 1)), (1, (1, 2, 4))])
@every_kind
def test_every_derivative_is_as_the_theory_of_offsets_says(kind, first_radius, dilations):
    """Forbidden entries exactly 0 at every depth, all entries within the receptive field alive."""
    shape = (7, 9)
    # Small weights: a saturated gate has a derivative of 0 in float32.
    model = build(kind, shape, dilations=dilations, first_radius=first_radius, scale=0.1)
    found = dependencies(model) | dependencies(model, seed=1)
    np.testing.assert_array_equal(found, expected(kind, shape, first_radius, dilations))


def test_leaks_are_absent_with_classes_and_grey_levels():
    order = np.arange(20).reshape(4, 5)
    forbidden = order[None, None] >= order[:, :, None, None]
    for likelihood in LIKELIHOODS.values():
        found = dependencies(build(PixelCNN, (4, 5), likelihood=likelihood, num_classes=2))
        assert not (found & forbidden).any()


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_blind_spot_is_the_cone_below_the_diagonal_and_two_stacks_fill_it(layers):
    n, target = layers, (8, 8)
    one, two = (expected(kind, (10, 17), 1, (1,) * (n - 1))[-1][target] for kind in KINDS.values())
    row, column = np.indices((10, 17))
    up, right = target[0] - row, column - target[1]
    rectangle = (abs(right) <= n) & (up <= n) & ((up > 0) | ((up == 0) & (right < 0)))
    np.testing.assert_array_equal(two, rectangle)
    np.testing.assert_array_equal(rectangle & ~one, rectangle & (right > up))
    assert (rectangle & ~one).sum() == n * (n - 1) // 2


def test_mask_b_in_the_first_layer_leaks():
    model = build(SingleStackPixelCNN)
    model.layers[0].mask[...] = jnp.asarray(convolution_mask(1, "B"), float)[:, :, None, None]
    order = np.arange(12).reshape(3, 4)
    itself = order[None, None] == order[:, :, None, None]
    assert (dependencies(model)[-1] & itself).any()
    assert abs(float(jnp.exp(model.log_prob(STATES)).sum()) - 1) > 1e-2


def test_a_horizontal_kernel_that_looks_at_the_pixel_leaks():
    model = build(PixelCNN)
    layer = model.layers[0]
    layer.horizontal[...] = jnp.ones_like(layer.horizontal[...])
    object.__setattr__(layer, "radius", 0)  # the kernel's anchor moves on to the pixel itself
    layer.vertical[...] = jnp.zeros_like(layer.vertical[...])
    order = np.arange(12).reshape(3, 4)
    assert (dependencies(model)[-1] & (order[None, None] >= order[:, :, None, None])).any()


@every_likelihood
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_samples_from_caches_equal_those_of_full_passes_bit_for_bit(likelihood, temperature):
    model = build(PixelCNN, (6, 7), dilations=(1, 2, 4), first_radius=3, likelihood=likelihood, num_classes=3)
    label = jnp.arange(20) % 3
    given = model.sample(jax.random.key(2), (20,), label)
    for known in (None, np.arange(42).reshape(6, 7) < 17):
        more = {"temperature": temperature} | ({} if known is None else {"given": given, "known": known})
        fast = model.sample(jax.random.key(1), (20,), label, **more)
        where = (given, known) if known is not None else (None, None)
        request, order = make_request((6, 7), (20,), temperature, *where, likelihood), jnp.arange(42)
        choose = chooser(likelihood, jax.random.key(1), order, request)
        full_passes = partial(SingleStackPixelCNN.draw, model, choose, order, 20, None, label)
        slow = jax.jit(full_passes)()
        np.testing.assert_array_equal(fast, slow.reshape(20, 6, 7))
        if known is not None:
            np.testing.assert_array_equal(np.asarray(fast)[:, known], np.asarray(given)[:, known])
            assert (np.asarray(fast)[:, ~known] != np.asarray(given)[:, ~known]).any()


@every_kind
def test_sampled_frequencies_agree_with_the_probabilities(kind):
    model, other = build(kind, (2, 2), dilations=(1,)), build(kind, (2, 2), dilations=(1,), scale=0.6)
    samples = model.sample(jax.random.key(1), (20_000,)).reshape(-1, 4)
    x = np.asarray(enumerate_binary(4)).reshape(-1, 2, 2)
    assert not chi_square_rejects(samples, jnp.exp(model.log_prob(x)))
    assert chi_square_rejects(samples, jnp.exp(other.log_prob(x)))


def test_sampled_grey_levels_agree_with_the_probabilities():
    model = build(PixelCNN, (1, 1), dilations=(1,), likelihood=LogisticMixture(5, 2))
    samples = np.asarray(model.sample(jax.random.key(3), (20_000,))).ravel()
    p = np.exp(model.log_prob(np.arange(5).reshape(5, 1, 1) / 4))
    counts = np.bincount(np.round(4 * samples).astype(int), minlength=5)
    assert (np.abs(counts / 20_000 - p) < 5 * np.sqrt(p * (1 - p) / 20_000) + 1e-9).all()


def test_a_completion_follows_the_conditional_distribution():
    model = build(PixelCNN, (2, 2), dilations=(1,))
    known = np.array([[True, True], [False, False]])
    samples = model.sample(jax.random.key(4), (20_000,), given=np.array([[1.0, 0.0], [9.0, 9.0]]), known=known)
    assert (np.asarray(samples)[:, 0] == [1, 0]).all()
    lower = np.asarray(enumerate_binary(2))
    x = np.stack([np.broadcast_to([1.0, 0.0], (4, 2)), lower], axis=1)
    p = np.exp(model.log_prob(x))
    assert not chi_square_rejects(samples[:, 1], p / p.sum())
    assert chi_square_rejects(samples[:, 1], p[::-1] / p.sum())


def test_low_temperature_finds_likelier_images():
    model = build(PixelCNN)
    cold, warm = (model.sample(jax.random.key(0), (200,), temperature=t) for t in (0.2, 1.0))
    assert model.log_prob(cold).mean() > model.log_prob(warm).mean() + 1


@every_kind
def test_batches_labels_and_shapes(kind):
    model = build(kind, num_classes=3)
    x, label = STATES[:6].reshape(2, 3, 3, 4), np.array([[0, 1, 2], [2, 1, 0]])
    log_p = model.log_prob(x, label)
    assert log_p.shape == (2, 3)
    for a in range(2):
        for b in range(3):
            np.testing.assert_allclose(log_p[a, b], model.log_prob(x[a, b], label[a, b]), **FLOAT32)
    assert model.sample(jax.random.key(0), (), 1).shape == (3, 4)
    assert model.sample(jax.random.key(0), (2, 3), label).shape == (2, 3, 3, 4)


def test_training_lowers_the_loss_and_every_parameter_has_a_gradient():
    model = build(PixelCNN, num_classes=2)
    batch = (STATES[::9], np.arange(len(STATES[::9])) % 2)
    loss, gradients = nnx.value_and_grad(negative_log_likelihood)(model, batch, None)
    assert np.isfinite(float(loss))
    assert all((np.asarray(g) != 0).any() for g in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("shape", "anchor", "dilation"),
    [((2, 3), (1, 1), 2), ((1, 2), (0, 2), 1), ((3, 5), (3, 2), 1), ((1, 1), (0, 1), 1)],
)
@pytest.mark.parametrize("channels", [(1, 4), (3, 1)])
def test_the_convolution_and_its_gradients_are_those_of_the_definition(shape, anchor, dilation, channels):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 5, 6, channels[0])), rng.normal(size=(*shape, *channels))

    def by_definition(x, kernel):
        wide = jnp.pad(x, ((0, 0), (8, 8), (8, 8), (0, 0)))
        y = jnp.zeros((2, 5, 6, channels[1]))
        for a in range(shape[0]):
            for b in range(shape[1]):
                i, j = 8 + (a - anchor[0]) * dilation, 8 + (b - anchor[1]) * dilation
                y += wide[:, i : i + 5, j : j + 6] @ kernel[a, b]
        return y

    weights = rng.normal(size=(2, 5, 6, channels[1])).astype(np.float32)
    x, kernel = jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)
    tolerance = {"rtol": 1e-4, "atol": 1e-5}  # sums of up to 60 float32 products in another order
    np.testing.assert_allclose(causal_convolution(x, kernel, anchor, dilation), by_definition(x, kernel), **tolerance)
    ours, theirs = (
        jax.grad(lambda x, k, f=f: (weights * f(x, k)).sum(), (0, 1))(x, kernel)
        for f in (lambda x, k: causal_convolution(x, k, anchor, dilation), by_definition)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@every_kind
def test_errors_name_what_came_and_what_was_expected(kind):
    model, with_classes = build(kind), build(kind, num_classes=3)
    key, keep = jax.random.key(0), np.arange(12).reshape(3, 4) < 5
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\); \w+PixelCNN was built|PixelCNN was built"):
        model.log_prob(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="a Bernoulli likelihood"):
        model.log_prob(np.full((3, 4), 0.5))
    with pytest.raises(ValueError, match="give no label"):
        model.log_prob(STATES[0], 1)
    with pytest.raises(ValueError, match="give one"):
        with_classes.log_prob(STATES[0])
    with pytest.raises(ValueError, match="label has values from .* expected 0 to 2"):
        with_classes.sample(key, (2,), 3)
    with pytest.raises(ValueError, match="temperature is 0"):
        model.sample(key, temperature=0)
    with pytest.raises(ValueError, match="give both or neither"):
        model.sample(key, known=keep)
    with pytest.raises(ValueError, match="known keeps pixel 11, but not all of its predecessors"):
        model.sample(key, given=STATES[0], known=~keep)
    with pytest.raises(ValueError, match="given has shape"):
        model.sample(key, given=np.zeros(12), known=keep)
    for bad in ({"channels": 0}, {"dilations": (0,)}, {"first_radius": 0}, {"num_classes": 0}, {"shape": (0, 3)}):
        with pytest.raises(ValueError, match="a size of the network is 0"):
            build(kind, **bad)


def test_masks_by_hand():
    np.testing.assert_array_equal(convolution_mask(1, "A"), [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(convolution_mask(1, "B"), [[1, 1, 1], [1, 1, 0], [0, 0, 0]])

"""M2 against enumeration over classes, and against exact ln p(x) where everything is linear and Gaussian."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats
from scipy.special import log_softmax, logsumexp

from course_lib.distributions import Bernoulli, Gaussian
from course_lib.vae import M2, m2_loss
from tests.tolerances import FLOAT32, within_standard_errors

RNG = np.random.default_rng(0)
BITS = (RNG.random((5, 6)) < 0.4).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0])


INK = Bernoulli()


def make(likelihood=INK, **changes):
    arguments = {"num_inputs": 6, "hidden_sizes": [8, 7], "num_latents": 2, "num_classes": 3} | changes
    return M2(**arguments, likelihood=likelihood, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(("likelihood", "shape"), [(Bernoulli(), ()), (Bernoulli(), (2, 3)), (Gaussian(), (5,))])
def test_every_method_keeps_the_batch_shape(likelihood, shape):
    model = make(likelihood)

    def everything(x, y):
        codes = model.encode(x, y)
        bounds = model.labelled_bound(jax.random.key(0), x, y), model.unlabelled_bound(jax.random.key(0), x)
        return codes, model.decode_mean(codes[0], y), model.class_logits(x), bounds

    x, y = jax.ShapeDtypeStruct((*shape, 6), jnp.float32), jax.ShapeDtypeStruct(shape, jnp.int32)
    codes, mean, logits, bounds = jax.eval_shape(everything, x, y)
    assert {code.shape for code in codes} == {(*shape, 2)}
    assert mean.shape == (*shape, 6)
    assert logits.shape == (*shape, 3)
    assert {bound.shape for bound in bounds} == {shape}


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian()])
def test_the_unlabelled_bound_is_the_mean_of_the_labelled_ones_plus_the_entropy(likelihood):
    model = make(likelihood)
    log_q = log_softmax(np.asarray(model.class_logits(BITS)), axis=1)
    labelled = np.stack([model.labelled_bound(jax.random.key(0), BITS, np.full(5, c)) for c in range(3)], axis=1)
    expected = (np.exp(log_q) * labelled).sum(1) + stats.entropy(np.exp(log_q), axis=1)
    np.testing.assert_allclose(model.unlabelled_bound(jax.random.key(0), BITS), expected, **FLOAT32)


# x | y, z ~ N(W z + B_y, σ² I): a mixture of Gaussians, each with the same covariance. Every posterior is known, and
# affine maps hold it: p(z|x, y) with mean S Wᵀ(x − B_y)/σ², and p(y|x), whose logits are linear in x.
D, K, CLASSES, SIGMA = 4, 2, 3, 0.7
W = np.linalg.qr(RNG.normal(size=(D, K)))[0] * np.array([1.5, 0.6])
B = RNG.normal(size=(CLASSES, D))
S = 1 / (1 + (W**2).sum(0) / SIGMA**2)
X = (RNG.normal(size=(6, K)) @ W.T + B[[0, 1, 2, 0, 1, 2]] + SIGMA * RNG.normal(size=(6, D))).astype(np.float32)
Y = np.array([0, 1, 2, 1, 2, 0])
COVARIANCE = W @ W.T + SIGMA**2 * np.eye(D)
GIVEN_CLASS = np.stack([stats.multivariate_normal(b, COVARIANCE).logpdf(X) for b in B], axis=1)
LOG_P_XY = GIVEN_CLASS[np.arange(6), Y] - np.log(CLASSES)
LOG_P_X = logsumexp(GIVEN_CLASS, axis=1) - np.log(CLASSES)


def exact_m2(shift=0.0, sharpen=1.0):
    """M2 at the exact posteriors; the mean of q(z|x, y) moved by `shift`, the logits of q(y|x) times `sharpen`."""
    model = M2(D, [], K, CLASSES, likelihood=Gaussian(SIGMA), rngs=nnx.Rngs(0))
    to_mean, precision = W / SIGMA**2 * S, np.linalg.inv(COVARIANCE)
    logits = B @ precision, -0.5 * np.einsum("cd,de,ce->c", B, precision, B)
    values = {
        model.decoder.network.layers[-1]: (np.concatenate([W.T, B]), np.zeros(D)),
        model.encoder.mean: (np.concatenate([to_mean, -B @ to_mean]), np.full(K, shift)),
        model.encoder.log_sigma: (np.zeros((D + CLASSES, K)), 0.5 * np.log(S)),
        model.classifier.layers[-1]: (sharpen * logits[0].T, sharpen * logits[1]),
    }
    for layer, (kernel, bias) in values.items():
        layer.kernel[...], layer.bias[...] = jnp.asarray(kernel, dtype=float), jnp.asarray(bias, dtype=float)
    return model


def repeats(bound, n=2000):
    """Mean and standard error of a bound over n independent keys, for each x."""
    values = np.asarray(jax.jit(jax.vmap(bound))(jax.random.split(jax.random.key(0), n)))
    return values.mean(0), values.std(0, ddof=1) / n**0.5


def agree(estimate, exact, error):
    return all(within_standard_errors(*row) for row in zip(estimate, exact, error, strict=True))


def bounds_hold(labelled, unlabelled):
    """Both estimates (mean, error) stay below the exact values, but for noise."""
    return all(bool((m < exact + 5 * e).all()) for (m, e), exact in ((labelled, LOG_P_XY), (unlabelled, LOG_P_X)))


def both(model):
    labelled = repeats(lambda key: model.labelled_bound(key, X, Y))
    return labelled, repeats(lambda key: model.unlabelled_bound(key, X))


def test_at_the_true_posteriors_both_bounds_are_exact():
    labelled, unlabelled = both(exact_m2())
    assert agree(labelled[0], LOG_P_XY, labelled[1])
    assert agree(unlabelled[0], LOG_P_X, unlabelled[1])


def test_away_from_them_each_bound_is_lower_by_the_divergences():
    """ln p(x, y) − L = KL(q(z|x, y)‖p(z|x, y)), and ln p(x) − U = KL(q(y|x)‖p(y|x)) + the mean of the former."""
    shift, model = 0.4, exact_m2(shift=0.4, sharpen=2.5)
    kl_z = (shift**2 / (2 * S)).sum()
    log_q = log_softmax(np.asarray(model.class_logits(X)), axis=1)
    kl_y = (np.exp(log_q) * (log_q - log_softmax(GIVEN_CLASS, axis=1))).sum(1)
    labelled, unlabelled = both(model)
    assert agree(labelled[0], LOG_P_XY - kl_z, labelled[1])
    assert agree(unlabelled[0], LOG_P_X - kl_y - kl_z, unlabelled[1])
    assert bounds_hold(labelled, unlabelled)
    assert (labelled[0] < LOG_P_XY - 5 * labelled[1]).all()
    assert (unlabelled[0] < LOG_P_X - 5 * unlabelled[1]).all()


def test_negative_control_without_the_prior_over_classes_there_is_no_bound():
    labelled, unlabelled = both(exact_m2(shift=0.2))
    assert bounds_hold(labelled, unlabelled)
    forgotten = np.log(CLASSES)
    assert not bounds_hold((labelled[0] + forgotten, labelled[1]), (unlabelled[0] + forgotten, unlabelled[1]))


def loss_and_gradient(model, alpha, unlabelled):
    graph, params = nnx.split(model)
    batch = jnp.asarray(BITS), LABELS, jnp.asarray(BITS[:3])
    loss = jax.jit(
        jax.value_and_grad(lambda p: m2_loss(nnx.merge(graph, p), batch, jax.random.key(0), alpha, unlabelled))
    )
    value, gradient = loss(params)
    return value, nnx.as_pure(gradient)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian()])
def test_the_loss_is_finite_and_reaches_every_parameter(likelihood):
    value, gradient = loss_and_gradient(make(likelihood), 1.0, 0.5)
    assert np.isfinite(value)
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(leaf).all()
        assert (leaf != 0).any()


def test_without_alpha_no_label_trains_the_classifier():
    """The negative control of α: with neither it nor unlabelled images, q(y|x) has no gradient at all."""
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(loss_and_gradient(make(), 0.0, 0.0)[1]["classifier"]))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(loss_and_gradient(make(), 0.1, 0.0)[1]["classifier"]))


def test_the_loss_adds_up_its_three_terms():
    model, (with_label, without) = make(), jax.random.split(jax.random.key(0))
    labelled = model.labelled_bound(with_label, BITS, LABELS).mean()
    unlabelled = model.unlabelled_bound(without, BITS[:3]).mean()
    classifier = log_softmax(np.asarray(model.class_logits(BITS)), axis=1)[np.arange(5), LABELS].mean()
    expected = -0.8 * labelled - 0.2 * unlabelled - 3.0 * classifier
    np.testing.assert_allclose(
        m2_loss(model, (BITS, LABELS, BITS[:3]), jax.random.key(0), 3.0, 0.2), expected, **FLOAT32
    )


def test_huge_logits_do_not_spoil_the_unlabelled_bound():
    model = exact_m2(sharpen=1e4)
    graph, params = nnx.split(model)
    gradient = jax.jit(jax.grad(lambda p: nnx.merge(graph, p).unlabelled_bound(jax.random.key(0), X).sum()))(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(nnx.as_pure(gradient)))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS.astype(np.float32), "y has dtype float32; expected integers from 0 to 2"),
        (np.array([0, 2, 1, 3, 0]), "y has values from 0 to 3; expected 0 to 2"),
        (np.array([0, -1, 1, 1, 0]), "y has values from -1 to 1; expected 0 to 2"),
        (LABELS[:4], r"y has shape \(4,\) and the batch \(5,\)"),
        (LABELS[:, None], r"y has shape \(5, 1\)"),
        (np.int32(1), r"y has shape \(\)"),
    ],
)
@pytest.mark.parametrize("method", ["encode", "labelled_bound", "m2_loss"])
def test_bad_labels_are_refused(method, y, message):
    model = make()
    call = {
        "encode": partial(model.encode, BITS),
        "labelled_bound": partial(model.labelled_bound, jax.random.key(0), BITS),
    }
    with pytest.raises(ValueError, match=message):
        call.get(method, lambda y: m2_loss(model, (BITS, y, BITS), jax.random.key(0), 1.0, 0.5))(y)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((5, 6), 0.5), "binarize"),
        (np.full((5, 6), np.nan), "NaN"),
        (np.ones((5, 7)), r"\(5, 7\); M2 was built"),
    ],
)
def test_bad_data_is_refused(x, message):
    model = make()
    for call in (
        model.class_logits,
        lambda x: model.encode(x, LABELS),
        partial(model.unlabelled_bound, jax.random.key(0)),
    ):
        with pytest.raises(ValueError, match=message):
            call(x)
    with pytest.raises(ValueError, match=r"\(5, 3\); M2 was built"):
        model.decode_mean(np.zeros((5, 3)), LABELS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"num_latents": -1}, "num_latents"),
        ({"hidden_sizes": [0]}, "hidden size"),
        ({"scale": "common"}, "no width to be learned"),
    ],
)
def test_impossible_models_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)

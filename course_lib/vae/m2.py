"""A variational auto-encoder that knows classes, for images of which only some have a label."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.distributions import Bernoulli, Distribution, require_distribution
from course_lib.networks import dense
from course_lib.probability import categorical_log_prob, kl_standard_normal
from course_lib.vae.decoder import Decoder, Scale
from course_lib.vae.encoder import GaussianEncoder
from course_lib.vae.reparameterization import reparameterize
from course_lib.validation import as_floats, events, require_classes, whole_number

BITS = Bernoulli()


class M2(nnx.Module):
    """p(x, y, z) = p(x|y, z) p(y) N(z; 0, I) with p(y) = 1/K: class y and style z make the image x.

    q(y|x) = Categorical(softmax(class_logits(x))), q(z|x, y) = N(μ(x, y), diag σ(x, y)²).

    Args:
        num_inputs, num_latents, num_classes: d, k and K.
        hidden_sizes: widths of the hidden layers of classifier and encoder; the decoder has them in reverse. None:
            each is an affine map.
        likelihood, scale: of one x_d given y and z, as in `Vae`.
    Raises: ValueError: a size that is not positive, a likelihood that is no distribution; from the methods: a wrong
        last axis, values that the likelihood does not have, labels that are no class numbers or not one for each x.
    Source: Kingma, Rezende, Mohamed & Welling 2014, arXiv:1406.5298, section 2, model "M2".
    Taught in: 05c_fewer_labels, "A class inside the model: M2".
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_latents: int,
        num_classes: int,
        *,
        likelihood: Distribution = BITS,
        scale: Scale = "of z",
        rngs: nnx.Rngs,
    ):
        sizes = {"num_inputs": num_inputs, "num_latents": num_latents, "num_classes": num_classes}
        for name, value in [*sizes.items(), *(("a hidden size", size) for size in hidden_sizes)]:
            whole_number(value, name)
        self.num_inputs, self.num_latents, self.num_classes = num_inputs, num_latents, num_classes
        self.likelihood, up = require_distribution(likelihood), [num_latents + num_classes, *reversed(hidden_sizes)]
        self.classifier = dense([num_inputs, *hidden_sizes, num_classes], rngs)
        self.encoder = GaussianEncoder(num_inputs + num_classes, hidden_sizes, num_latents, rngs=rngs)
        self.decoder = Decoder(lambda outputs: dense([*up, outputs], rngs), num_inputs, likelihood, scale)

    def class_logits(self, x: ArrayLike) -> Float[Array, "*batch classes"]:
        """Logits of q(y|x)."""
        x = events(x, (self.num_inputs,), type(self).__name__)
        self.likelihood.check(x)
        return self.classifier(self.likelihood.as_input(x))

    def with_class(self, a: ArrayLike, y: ArrayLike, size: int) -> Float[Array, "*batch entries"]:
        """(a, e_y): a vector of `size` entries, and after it 1 at place y among K places."""
        a = events(a, (size,), type(self).__name__)
        y = jnp.asarray(y)
        if y.shape != a.shape[:-1]:
            raise ValueError(f"y has shape {y.shape} and the batch {a.shape[:-1]}; give one label for each row.")
        require_classes(y, self.num_classes, "y")
        return jnp.concatenate([a, jax.nn.one_hot(y, self.num_classes)], axis=-1)

    def encode(self, x: ArrayLike, y: ArrayLike) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k"]]:
        """(μ, ln σ) of q(z|x, y), for integer labels y of shape (*batch,)."""
        x = as_floats(x)
        self.likelihood.check(x)
        return self.encoder(self.with_class(self.likelihood.as_input(x), y, self.num_inputs))

    def decode_mean(self, z: ArrayLike, y: ArrayLike) -> Float[Array, "*batch d"]:
        """E[x|y, z]: the probability of ink, or the mean of the Gaussian."""
        return self.likelihood.mean(self.decoder(self.with_class(z, y, self.num_latents)))

    def labelled_bound(self, key: Key[Array, ""], x: ArrayLike, y: ArrayLike) -> Float[Array, "*batch"]:
        """Estimate of L(x, y) = E_q(z|x,y) ln p(x|y, z) + ln p(y) − KL(q(z|x, y)‖N(0, I)) ≤ ln p(x, y), one z each."""
        mean, log_sigma = self.encode(x, y)
        numbers = self.decoder(self.with_class(reparameterize(key, mean, log_sigma), y, self.num_latents))
        log_p = self.likelihood.log_prob(as_floats(x), numbers)
        return log_p.sum(axis=-1) - math.log(self.num_classes) - kl_standard_normal(mean, log_sigma).sum(axis=-1)

    def unlabelled_bound(self, key: Key[Array, ""], x: ArrayLike) -> Float[Array, "*batch"]:
        """Estimate of U(x) = Σ_y q(y|x) [L(x, y) − ln q(y|x)] ≤ ln p(x): all classes, with the same noise for each."""
        log_q = jax.nn.log_softmax(self.class_logits(x))
        each_class = jnp.broadcast_to(jnp.arange(self.num_classes), log_q.shape)
        bounds = jax.vmap(lambda y: self.labelled_bound(key, x, y), -1, -1)(each_class)
        return (jnp.exp(log_q) * (bounds - log_q)).sum(axis=-1)


def m2_loss(
    model: M2, batch: tuple[ArrayLike, ArrayLike, ArrayLike], key: Key[Array, ""], alpha: float, unlabelled: float
) -> Float[Array, ""]:
    """−(1 − ρ) mean L(x, y) − ρ mean U(x) − α mean ln q(y|x), in nats an image.

    Args:
        batch: labelled x, their y, unlabelled x; the two numbers of images may differ.
        alpha: α ≥ 0. At 0 no label reaches q(y|x), which is what classifies.
        unlabelled: ρ from 0 to 1; the share of the images that have no label gives each image the same weight.
    Source: arXiv:1406.5298, eq. 9, divided by the number of images. Taught in: 05c_fewer_labels, "Three terms".
    """
    x, y, x_unlabelled = batch
    with_label, without = jax.random.split(key)
    bound = model.labelled_bound(with_label, x, y)
    labelled = ((1 - unlabelled) * bound + alpha * categorical_log_prob(y, model.class_logits(x))).mean()
    return -labelled - unlabelled * model.unlabelled_bound(without, x_unlabelled).mean()

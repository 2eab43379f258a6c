"""What a trained encoder does with its latents, for the diagonal Gaussian q(z|x), over a set of n examples."""

import math

import jax
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Bool, Float, Key

from course_lib.probability import kl_standard_normal, normal_log_prob, standard_normal_log_prob
from course_lib.vae.reparameterization import reparameterize
from course_lib.vae.vae import Vae


def kl_per_latent(model: Vae, x: ArrayLike) -> Float[Array, " k"]:
    """Mean over the examples of KL(q(zⱼ|x)‖N(0, 1)) for each latent j, in nats; their sum is the rate.

    Taught in: 05b_better_bounds, "A code that nobody reads".
    """
    return kl_standard_normal(*model.encode(x)).mean(axis=0)


def active_units(model: Vae, x: ArrayLike, threshold: float = 0.01) -> Bool[Array, " k"]:
    """Which latents are used: Var_x E[zⱼ|x] > `threshold`.

    Source: Burda et al. 2015, arXiv:1509.00519, §5. Taught in: 05b_better_bounds, "A code that nobody reads".
    """
    return model.encode(x)[0].var(axis=0) > threshold


def rate_parts(key: Key[Array, ""], model: Vae, x: ArrayLike) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mutual information I of x and z under q, and KL(q(z)‖p(z)) of the aggregate posterior, in nats: R = I + KL.

    q(z) = (1/n) Σᵢ q(z|xᵢ) over the n examples, and I = E ln q(z|x) − ln q(z) ≤ ln n, from one draw of z for each x.

    Source: Hoffman & Johnson 2016, "ELBO surgery".
    Taught in: 05b_better_bounds, "Rate against distortion".
    """
    mean, log_sigma = model.encode(x)
    z = reparameterize(key, mean, log_sigma)
    log_q = normal_log_prob(z, mean, log_sigma).sum(axis=-1)
    others = jax.lax.map(lambda one: logsumexp(normal_log_prob(one[None], mean, log_sigma).sum(axis=-1)), z)
    log_aggregate = others - math.log(len(z))
    return (log_q - log_aggregate).mean(), (log_aggregate - standard_normal_log_prob(z)).mean()

"""Losses that bend or tighten the bound: importance weights, β, free bits."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from course_lib.probability import kl_standard_normal
from course_lib.vae.reparameterization import reparameterize
from course_lib.vae.vae import Vae


def negative_iwae(model: Vae, batch: ArrayLike, key: Key[Array, ""], num_samples: int) -> Float[Array, ""]:
    """−E ln (1/k) Σᵢ p(x, zᵢ)/q(zᵢ|x), averaged over the batch, in nats; k = `num_samples`.

    Its gradient weighs the samples: Σᵢ w̃ᵢ ∇ ln wᵢ, with w̃ᵢ = wᵢ/Σⱼ wⱼ.
    Source: Burda et al. 2015, arXiv:1509.00519, eq. 13.
    Taught in: 05b_better_bounds, "Training on the tighter bound".
    """
    return -model.iwae(key, batch, num_samples).mean()


def regularized_loss(
    model: Vae, batch: ArrayLike, key: Key[Array, ""], beta: ArrayLike = 1.0, free_nats: ArrayLike = 0.0
) -> Float[Array, ""]:
    """−E ln p(x|z) + β Σⱼ max(λ, KLⱼ), averaged over the batch, in nats: λ = `free_nats` for each latent j.

    KLⱼ is the batch's mean KL(q(zⱼ|x)‖N(0, 1)) of latent j, for the diagonal Gaussian q of the encoder. β = 1, λ = 0 is
    −L(x). A β that rises from 0 to 1 during training is KL annealing. Below λ a latent pays nothing for being used.
    Source: Higgins et al. 2017 (β); Bowman et al. 2016, arXiv:1511.06349 (annealing); Kingma et al. 2016,
    arXiv:1606.04934, eq. 16 (free bits).
    Taught in: 05b_better_bounds, "A code that nobody reads".
    """
    mean, log_sigma = model.encode(batch)
    z = reparameterize(key, mean, log_sigma)
    kl = kl_standard_normal(mean, log_sigma).mean(axis=0)
    return -model.log_likelihood(batch, z).mean() + beta * jnp.maximum(kl, free_nats).sum()

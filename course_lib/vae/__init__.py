"""Variational auto-encoders: an encoder, a decoder with a likelihood, bounds on ln p(x), and diagnostics."""

from course_lib.vae.convolutional import ConvolutionalVae
from course_lib.vae.decoder import Decoder
from course_lib.vae.diagnostics import active_units, kl_per_latent, rate_parts
from course_lib.vae.encoder import GaussianEncoder
from course_lib.vae.losses import negative_iwae, regularized_loss
from course_lib.vae.m2 import M2, m2_loss
from course_lib.vae.reparameterization import reparameterize
from course_lib.vae.vae import Vae, negative_elbo

__all__ = [
    "M2",
    "ConvolutionalVae",
    "Decoder",
    "GaussianEncoder",
    "Vae",
    "active_units",
    "kl_per_latent",
    "m2_loss",
    "negative_elbo",
    "negative_iwae",
    "rate_parts",
    "regularized_loss",
    "reparameterize",
]

"""Variational auto-encoders: a Gaussian encoder, a decoder, and bounds on ln p(x)."""

from course_lib.vae.encoder import GaussianEncoder
from course_lib.vae.reparameterization import reparameterize
from course_lib.vae.vae import Vae, negative_elbo

__all__ = ["GaussianEncoder", "Vae", "negative_elbo", "reparameterize"]

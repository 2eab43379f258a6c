"""Auto-encoders: an encoder into a compact latent space and a decoder back."""

from course_lib.autoencoders.deep import DeepAutoencoder
from course_lib.autoencoders.linear import LinearAutoencoder
from course_lib.autoencoders.losses import cross_entropy_loss, squared_error_loss
from course_lib.autoencoders.simple import SimpleAutoencoder

__all__ = ["DeepAutoencoder", "LinearAutoencoder", "SimpleAutoencoder", "cross_entropy_loss", "squared_error_loss"]

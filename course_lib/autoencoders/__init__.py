"""Auto-encoders: an encoder into a compact latent space and a decoder back."""

from course_lib.autoencoders.convolutional import ConvolutionalAutoencoder
from course_lib.autoencoders.deep import DeepAutoencoder
from course_lib.autoencoders.denoising import DenoisingAutoencoder, denoised_mean, denoising_loss
from course_lib.autoencoders.linear import LinearAutoencoder
from course_lib.autoencoders.losses import cross_entropy_loss, squared_error_loss
from course_lib.autoencoders.simple import SimpleAutoencoder
from course_lib.autoencoders.tied import TiedAutoencoder

__all__ = [
    "ConvolutionalAutoencoder",
    "DeepAutoencoder",
    "DenoisingAutoencoder",
    "LinearAutoencoder",
    "SimpleAutoencoder",
    "TiedAutoencoder",
    "cross_entropy_loss",
    "denoised_mean",
    "denoising_loss",
    "squared_error_loss",
]

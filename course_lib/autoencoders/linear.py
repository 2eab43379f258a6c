"""The linear auto-encoder, which learns the subspace of principal component analysis."""

from flax import nnx

from course_lib.autoencoders.simple import SimpleAutoencoder
from course_lib.validation import require_finite


def identity(a):
    """a, unchanged: the activation of a layer without a bend."""
    return a


class LinearAutoencoder(SimpleAutoencoder):
    """h = b + w x, x̂ = c + v h, for any real x.

    At the least squared error v spans the leading eigenvectors of the covariance of x, and the loss is the sum of
    the other eigenvalues.

    Raises: ValueError for a wrong last axis, NaN or infinity.
    Source: Baldi & Hornik 1989, Neural Networks 2:53. Taught in: 04_autoencoder, "A linear auto-encoder is PCA".
    """

    output, require_range = staticmethod(identity), staticmethod(require_finite)

    def __init__(self, num_inputs: int, num_latents: int, *, rngs: nnx.Rngs):
        super().__init__(num_inputs, num_latents, g=identity, rngs=rngs)

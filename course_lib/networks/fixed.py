"""Numbers of a model that training leaves alone."""

from flax import nnx


class Fixed(nnx.Variable):
    """Masks, orderings: part of the model's state, but no parameters."""

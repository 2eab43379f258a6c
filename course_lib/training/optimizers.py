"""The optimizer of most chapters."""

import optax


def cosine_adam(rate: float, steps: int) -> optax.GradientTransformation:
    """Adam whose rate falls from `rate` to 0 along half a cosine: rate · ½ (1 + cos(π t/steps)) at step t.

    Args: rate > 0; steps: in `fit`, epochs · ⌊n / batch_size⌋ of them are made.
    Source: Kingma & Ba 2015 (arXiv:1412.6980); Loshchilov & Hutter 2017 (arXiv:1608.03983).
    Taught in: 02_autoregressive, "An ensemble over orderings".
    """
    return optax.adam(optax.cosine_decay_schedule(rate, steps))

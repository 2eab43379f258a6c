"""Strict settings for every test: no silent broadcasting between ranks, no key used twice."""

import jax
import matplotlib

matplotlib.use("Agg")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

"""Here the compiler works longer than what it compiles: it is told to hurry, for the tests of this folder."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="package")
def little_optimization():
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)

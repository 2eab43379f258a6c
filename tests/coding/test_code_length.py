"""A file is as long as the model says: −log₂ p(x), or −ELBO / log 2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.autoregressive import Made, negative_log_likelihood
from course_lib.coding import CodingError, GaussianGrid, code_of, compress, decompress
from course_lib.coding.codec import symbols_of
from course_lib.coding.entropy_coder import stream
from course_lib.data import binarize, digits_8x8, flatten
from course_lib.flows import RealNVP
from course_lib.flows import negative_log_likelihood as flow_loss
from course_lib.training import fit
from course_lib.vae import Vae, negative_elbo


@pytest.fixture(scope="module")
def digits():
    data = digits_8x8()
    return np.concatenate([flatten(split.images) for split in (data.train, data.valid, data.test)])


@pytest.fixture(scope="module")
def bits(digits):
    return np.asarray(binarize(digits))


def trained(model, loss, data, epochs):
    fit(model, loss, data, key=jax.random.key(0), epochs=epochs, progress=False)
    return model


def test_range_coding_is_within_one_percent_of_the_log_probability(bits):
    model = trained(Made(64, [50], rngs=nnx.Rngs(0)), negative_log_likelihood, bits, 5)
    expected = -float(model.log_prob(bits).sum()) / np.log(2)
    file = compress(model, bits, batch_size=600)
    np.testing.assert_array_equal(decompress(model, file), bits)
    assert expected <= 8 * len(file) <= 1.01 * expected
    # negative control: with a model that knows nothing of digits the same images take far more room
    assert len(compress(Made(64, [50], rngs=nnx.Rngs(0)), bits, batch_size=600)) > 1.2 * len(file)


def test_bits_back_is_within_two_percent_of_the_elbo(bits):
    model = trained(Vae(64, [100], 6, rngs=nnx.Rngs(0)), negative_elbo, bits, 30)
    elbo = model.elbo(jax.random.key(1), bits, 50) / np.log(2)
    file = compress(model, bits)
    np.testing.assert_array_equal(decompress(model, file), bits)
    assert abs(8 * len(file) / float(-elbo.sum()) - 1) < 0.02
    bits, elbo = bits[::3], elbo[::3]
    _, report = code_of(model).encode_with_report(bits.astype(np.int32))
    assert abs(report.net_bits.mean() / float(-elbo.mean()) - 1) < 0.01
    assert 0 < report.needed_bits < report.initial_bits
    # negative control: what z costs if its bits are not given back
    _, log_sigma = model.encode(bits)
    entropy = (log_sigma / np.log(2) + 0.5 * np.log2(2 * np.pi * np.e) + 9).sum(axis=-1)  # steps of 2⁻⁹
    assert report.net_bits.mean() + float(entropy.mean()) > 2 * float(-elbo.mean())


def test_local_bits_back_is_within_two_percent_of_the_dequantized_density(digits):
    grey = np.round(digits * 16).astype(np.float32) / 16

    def dequantize(key, x):
        return (16 * x + jax.random.uniform(key, x.shape)) / 17

    model = RealNVP(64, 6, [64], rngs=nnx.Rngs(0))
    trained(model, lambda model, x, key: flow_loss(model, dequantize(key, x)), grey, 10)
    some = grey[::18]  # 100 images
    noise = jax.random.split(jax.random.key(2), 20)
    bound = jnp.stack([model.log_prob(dequantize(key, some)) for key in noise]).mean() / np.log(2) - 64 * np.log2(17)
    code = code_of(model, 17)
    words, report = code.encode_with_report(symbols_of(code, some))
    np.testing.assert_array_equal(code.decode(words, len(some)), symbols_of(code, some))
    assert abs(report.net_bits.mean() / float(-bound) - 1) < 0.02


def test_a_gaussian_on_a_grid_costs_its_density_and_popping_samples_it():
    grid, n = GaussianGrid(-8.0, 2.0**-9, 2**13), 4000
    rng = np.random.default_rng(0)
    coder = stream().stack.AnsCoder(rng.integers(0, 2**32, 4000, dtype=np.uint32), seal=True)
    mean, sigma, before = rng.normal(size=n), np.exp(rng.uniform(-4, 0, n)), coder.num_valid_bits()
    z = grid.pop_near(coder, mean, sigma)
    standard = (grid.points(z) - mean) / sigma
    assert abs(standard.mean()) < 5 / np.sqrt(n)
    assert abs((standard**2).mean() - 1) < 5 * np.sqrt(2 / n)
    assert np.abs(standard).max() < 6
    entropy = (0.5 * np.log2(2 * np.pi * np.e * sigma**2) + 9).sum()
    assert abs((before - coder.num_valid_bits()) / entropy - 1) < 0.01
    grid.push_near(coder, z, mean, sigma)
    assert coder.num_valid_bits() == before
    grid.push(coder, z, np.zeros(n), np.ones(n))
    np.testing.assert_array_equal(grid.pop(coder, np.zeros(n), np.ones(n)), z)
    with pytest.raises(KeyError):
        grid.push_near(coder, z + 4000, mean, np.full(n, 0.01))


def test_bits_that_are_not_there_are_missed(bits):
    code = code_of(Vae(64, [], 2, rngs=nnx.Rngs(0)))
    words, _ = code.encode_with_report(bits[:3].astype(np.int32))
    with pytest.raises(CodingError, match="does not end where it began"):
        code.decode_with_clean(words[:-1], 3)

"""Every image comes back, bit for bit, whatever it looks like and whichever process decodes it."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.coding import CodingError, code_of, compress, decompress
from course_lib.coding.codec import symbols_of
from tests.coding.models import MODELS, build, images_for, leaky_made, levels_for

model_of = cache(build)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=4, deadline=None)
@given(st.integers(1, 9), st.integers(0, 10**6), st.sampled_from(["random", "zeros", "ones"]))
def test_what_goes_in_comes_out(name, count, seed, kind):
    images = images_for(name, count, seed, kind)
    got = decompress(model_of(name), compress(model_of(name), images, batch_size=4, **levels_for(name)))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, images)


@pytest.mark.parametrize("name", ["vae", "flow"])
@pytest.mark.parametrize("words", [0, 1, 40])
def test_bits_back_gives_the_first_bits_back_even_if_they_were_too_few(name, words):
    code = code_of(model_of(name), **levels_for(name))
    symbols = symbols_of(code, images_for(name, 5, 1))
    clean = np.random.default_rng(words).integers(0, 2**32, words, dtype=np.uint32)
    message, report = code.encode_with_report(symbols, clean)
    found, bits = code.decode_with_clean(message, 5)
    np.testing.assert_array_equal(found, symbols)
    np.testing.assert_array_equal(bits, clean)
    assert report.initial_bits == 32 * words
    assert report.length_bits.shape == (6,)
    assert report.net_bits.sum() == report.length_bits[-1] - report.length_bits[0]
    assert 0 <= report.needed_bits <= report.length_bits[0]


@pytest.mark.parametrize("name", ["nade", "made", "levels", "vae", "flow"])
def test_another_process_decodes_the_file(name, tmp_path):
    images = images_for(name, 7, 2)
    (tmp_path / "file").write_bytes(compress(model_of(name), images, **levels_for(name)))
    np.save(tmp_path / "images.npy", images)
    program = f"""
import numpy as np
from course_lib.coding import decompress
from tests.coding.models import build
with open({str(tmp_path / "file")!r}, "rb") as file:
    got = decompress(build({name!r}), file.read())
print(np.array_equal(got, np.load({str(tmp_path / "images.npy")!r})))
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, encoding="utf-8"
    )
    assert result.stdout.strip() == "True", result.stderr


def test_a_model_that_looks_ahead_cannot_be_decoded():
    images = images_for("made", 40, 3)
    np.testing.assert_array_equal(decompress(build("made"), compress(build("made"), images)), images)
    with pytest.raises(CodingError, match="pixels to come"):
        decompress(leaky_made(), compress(leaky_made(), images))

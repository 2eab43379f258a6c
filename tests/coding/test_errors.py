"""What the codes refuse, and what they say."""

import importlib
import sys

import numpy as np
import pytest
from flax import nnx

from course_lib.autoregressive import Made
from course_lib.coding import CodingError, code_of, compress, container, decompress, fingerprint
from course_lib.coding.autoregressive import AutoregressiveCode
from course_lib.distributions import Gaussian
from course_lib.vae import Vae
from tests.coding.models import build, images_for, levels_for


@pytest.fixture(scope="module")
def nade_file():
    return compress(build("nade"), images_for("nade", 6, 0))


def test_a_file_that_is_cut_off_anywhere(nade_file):
    for length in range(len(nade_file)):
        with pytest.raises(CodingError, match="truncated" if length else "not a file"):
            container.unpack(nade_file[:length])


def test_any_flipped_bit_is_noticed(nade_file):
    for place in range(len(nade_file)):
        damaged = bytearray(nade_file)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(CodingError):
            container.unpack(bytes(damaged))
    with pytest.raises(CodingError, match="damaged"):
        container.unpack(nade_file + b"\0")


def test_a_foreign_file_and_a_later_version(nade_file):
    with pytest.raises(CodingError, match="not a file of this course"):
        decompress(build("nade"), b"\x89PNG\r\n\x1a\n" + nade_file)
    with pytest.raises(CodingError, match="version 9"):
        decompress(build("nade"), nade_file[:4] + b"\x09" + nade_file[5:])


@pytest.mark.parametrize("name", ["nade", "vae", "flow"])
def test_another_model_than_the_one_that_wrote_the_file(name):
    file = compress(build(name), images_for(name, 3, 0), **levels_for(name))
    for other in (build(name, seed=1), build("made")):
        with pytest.raises(CodingError, match="very parameters"):
            decompress(other, file)


def test_one_parameter_changed_a_little_changes_the_fingerprint():
    model = build("vae")
    before = fingerprint(model)
    assert before == fingerprint(build("vae"))
    model.encoder.mean.bias[...] = np.nextafter(np.asarray(model.encoder.mean.bias[...]), 1)
    assert fingerprint(model) != before


@pytest.mark.parametrize("name", ["nade", "vae", "flow"])
def test_a_wrong_model_whose_fingerprint_is_forged_is_found_by_the_pixels(name):
    header, words = container.unpack(compress(build(name), images_for(name, 20, 0), **levels_for(name)))
    other = build(name, seed=1)
    forged = container.Header(**{**vars(header), "model": fingerprint(other)})
    with pytest.raises(CodingError, match="checksum|another model"):
        decompress(other, container.pack(forged, words))


@pytest.mark.parametrize("levels", [2, 32768])
def test_the_fewest_and_the_most_levels_come_back(levels):
    images = np.array([[0, 0.0, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0]])
    file = compress(build("flow"), images, levels=np.int64(levels))
    np.testing.assert_array_equal(decompress(build("flow"), file), images)


@pytest.mark.parametrize("name", ["nade", "levels", "vae", "flow"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 0}, {"kind": 1}, {"kind": 2}, {"kind": 3}, {"kind": 255}, {"levels": 0}, {"levels": 1}, {"levels": 3},
        {"levels": 40000}, {"levels": 65535}, {"shape": (0, 16)}, {"shape": (3,)}, {"shape": (3, 17)},
        {"shape": (3, 4, 4)}, {"shape": (2**32 - 1,)}, {"batch_size": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_header_that_lies_under_a_right_checksum_is_refused_at_once(name, wrong):
    """`shape` of one number: that many images, of the model's own shape."""
    model = build(name)
    header, words = container.unpack(compress(model, images_for(name, 3, 0), **levels_for(name)))
    if wrong.get("shape") in ((2**32 - 1,), (3,)):
        wrong = {"shape": wrong["shape"] if wrong["shape"] == (3,) else (*wrong["shape"], *header.shape[1:])}
    lie = container.Header(**(vars(header) | wrong))
    if lie == header or ("batch_size" in wrong and name in ("vae", "flow")):
        pytest.skip("no lie for this model")
    with pytest.raises(CodingError):
        decompress(model, container.pack(lie, words))


@pytest.mark.parametrize("logit", [16.0, 16.6, 17.3, 40.0])
def test_images_that_the_model_holds_for_all_but_impossible_come_back(logit):
    """Every pixel is the unlikely one; near the coder's least probability, 2⁻²⁴, its rounding shortens the code."""
    model = Made(400, (), rngs=nnx.Rngs(0))
    model.layers[0].kernel[...] = 0.0 * model.layers[0].kernel[...]
    model.layers[0].bias[...] = logit + 0.0 * model.layers[0].bias[...]
    images = np.zeros((2, 400))
    np.testing.assert_array_equal(decompress(model, compress(model, images)), images)


@pytest.mark.parametrize("name", ["nade", "levels", "vae", "flow"])
@pytest.mark.parametrize("value", [0.3, -1.0, 2.0, np.nan])
def test_values_outside_of_the_alphabet(name, value):
    images = images_for(name, 2, 0)
    images.flat[3] = value
    with pytest.raises(ValueError, match=r"x has|images has|holds 1 values"):
        compress(build(name), images, **levels_for(name))


@pytest.mark.parametrize("shape", [(16,), (0, 16), (2, 3, 16), (3, 15)])
def test_a_wrong_shape(shape):
    with pytest.raises(ValueError, match="shape"):
        compress(build("nade"), np.zeros(shape))


def test_models_that_are_no_code():
    with pytest.raises(TypeError, match="Linear is no code"):
        compress(nnx.Linear(2, 2, rngs=nnx.Rngs(0)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="levels="):
        compress(build("flow"), np.zeros((1, 6)))
    for levels in (1, 0, -3, 32769, 40000, 70000, True):
        with pytest.raises(ValueError, match="expected a whole number from 2 to 32768"):
            compress(build("flow"), np.zeros((1, 6)), levels=levels)
    with pytest.raises(ValueError, match="levels is 5; this Nade has 2"):
        compress(build("nade"), np.zeros((1, 16)), levels=5)
    with pytest.raises(ValueError, match="expected a discrete distribution"):
        code_of(Vae(4, [], 1, likelihood=Gaussian(), rngs=nnx.Rngs(0)))
    for size in (0, -1, 65536):
        with pytest.raises(ValueError, match="expected a whole number from 1 to 65535"):
            AutoregressiveCode(build("nade"), size)


@pytest.mark.parametrize("name", ["nade", "vae", "flow"])
def test_parameters_that_are_not_finite(name):
    model = build(name)
    nnx.update(model, nnx.map_state(lambda _, p: p * np.nan, nnx.state(model, nnx.Param)))
    with pytest.raises(ValueError, match="NaN"):
        compress(model, images_for(name, 2, 0), **levels_for(name))


def test_without_constriction_the_error_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match="Linux on ARM"):
        compress(build("nade"), images_for("nade", 1, 0))
    assert importlib.import_module("course_lib.coding")

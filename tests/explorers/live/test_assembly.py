"""The WebAssembly product is built from its text, bit for bit the same everywhere."""

import hashlib

import pytest

from course_lib.explorers.live.assembly import SOURCE, assemble, matmul_binary

DIGEST = "dad69f9ec661c870789cdff0caf9e2658ebc84bc597cd23c215161483ac7c160"


def test_the_binary_has_its_digest():
    """Changed on purpose? Then the primitives' tests have run on the new one: write its digest here."""
    assert hashlib.sha256(matmul_binary()).hexdigest() == DIGEST
    assert len(matmul_binary()) < 1024


def test_another_instruction_gives_another_binary_and_an_unknown_one_none():
    text = SOURCE.read_text(encoding="utf-8")
    assert assemble(text.replace("f32x4.mul", "f32x4.add", 1)) != matmul_binary()
    with pytest.raises(KeyError, match="f32x4.sub"):
        assemble(text.replace("f32x4.mul", "f32x4.sub", 1))

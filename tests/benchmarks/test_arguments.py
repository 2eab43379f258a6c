"""What a benchmark cannot use is refused in one line, before any minute is spent: numbers, names, files, folders."""

import json
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.arguments import folder, integer, new_file, positive, readable_file, seed
from benchmarks.density.data import load_binary, read_mnist
from tests.places.people import python

BITS = {"train": np.eye(4, dtype=np.uint8), "valid": np.eye(4, dtype=np.uint8), "test": np.eye(4, dtype=np.uint8)}

# (module, arguments, what the line says); {good} is a file of bits, {images} one of images, {nothing} is not there.
CASES = [
    ("density", "", "name one file"),
    ("density", "{nothing}", "is not there"),
    ("density", "{folder}", "is a folder; name a file in it"),
    ("density", "{good} --seed -1", "-1; expected a whole number from 0 to"),
    ("density", "{good} --seed 1.5", "'1.5'; expected a whole number"),
    ("density", "{good} --seed 99999999999", "expected a whole number from 0 to 4294967295"),
    ("density", "{good} --minutes 0", "expected a number greater than 0"),
    ("density", "{good} --minutes nan", "expected a number greater than 0"),
    ("density", "{good} --minutes inf", "expected a number greater than 0"),
    ("density", "{good} --models all", "all is a mixture of the other models; name at least one"),
    ("density", "{good} --models made nade2", "no model is called nade2"),
    ("density", "{good} --json {nothing}/a.json", "is no folder"),
    ("density", "{good} --json {folder}", "is a folder; name a file in it"),
    ("density", "{good} --checkpoint {good}", "is a file; name a folder"),
    ("density", "{words}", "is no .npz file"),
    ("density", "--mnist {good}", "lacks x_train, x_test; it holds train, valid, test"),
    ("density", "--mnist {images}", "x_train has 3 images; 5001 are needed"),
    ("bounds", "", "the following arguments are required: --mnist"),
    ("bounds", "--mnist {nothing}", "is not there"),
    ("bounds", "--mnist {good}", "lacks x_train, x_test"),
    ("bounds", "--mnist {images} --samples 1", "1; expected a whole number, 2 at least"),
    ("bounds", "--mnist {images} --test-images 0", "0; expected a whole number, 2 at least"),
    ("bounds", "--mnist {images} --minutes -3", "expected a number greater than 0"),
    ("flows", "toys", "no part is called toys"),
    ("flows", "mnist", "the part mnist needs its images"),
    ("flows", "toy --seed -1", "-1; expected a whole number"),
    ("flows", "toy --checkpoint {folder}", "--checkpoint belongs to the part mnist"),
    ("flows", "mnist --mnist {images}", "x_train has 3 images; 10001 are needed"),
    ("sampling", "--models made2", "no row begins with 'made2'"),
    ("sampling", "--samples 0", "0; expected a whole number, 1 at least"),
    ("sampling", "--seconds x", "'x'; expected a number greater than 0"),
    ("training", "--repeats 0", "0; expected a whole number, 1 at least"),
    ("ar_net", "--orders 0", "0; expected a whole number, 1 at least"),
    ("ar_net", "--orders 10 400 --length 1000", "400 lags need 1,600 values; --length is 1,000"),
    ("ar_net", "--length many", "'many'; expected a whole number"),
    ("compression", "--epochs 0", "0; expected a whole number, 1 at least"),
    ("compression", "--mnist {folder}", "No MNIST file at"),
    ("compression", "--images -5", "-5; expected a whole number, 1 at least"),
    ("explorers", "--moves 0", "0; expected a whole number, 1 at least"),
    ("pages", "nowhere.html", "there is no page nowhere.html in build/book/html"),
    ("live", "--steps 0", "0; expected a whole number, 1 at least"),
    ("live", "--seconds x", "'x'; expected a whole number"),
    ("notebooks", "77", "no source in notebooks/source for 77"),
]
RUN = """
import io, json, runpy, sys
told = []
for module, arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    sys.argv, sys.stdout, sys.stderr = [f"benchmarks.{module}", *arguments], out, err
    try:
        runpy.run_module(f"benchmarks.{module}", run_name="__main__", alter_sys=True)
        status = None
    except SystemExit as end:
        status = end.code or 0
    except BaseException as error:
        status = repr(error)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    told.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, str, str]]:
    """(exit status, stdout, stderr) of every case; one process for all, since each loads the same libraries."""
    place = tmp_path_factory.mktemp("files with spaces")
    names = {name: str(place / name) for name in ("good", "images", "words", "folder", "nothing")}
    np.savez(place / "good.npz", **BITS)
    np.savez(place / "images.npz", x_train=np.zeros((3, 28, 28), np.uint8), x_test=np.zeros((3, 28, 28), np.uint8))
    for name in ("good", "images"):
        (place / f"{name}.npz").rename(place / name)
    (place / "words").write_text("no zip", encoding="utf-8")
    (place / "folder").mkdir()
    calls = [(module, [word.format(**names) for word in arguments.split()]) for module, arguments, _ in CASES]
    done = python("-c", RUN, json.dumps(calls))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: " ".join(CASES[n][:2]))
def test_a_wrong_command_line_ends_at_once_with_one_line(told, number):
    status, out, err = told[number]
    assert (status, out) == (2, "")
    last = err.strip().splitlines()[-1]
    assert "error: " in last
    assert CASES[number][2] in last


def test_every_benchmark_is_tried():
    there = {path.stem for path in Path("benchmarks").glob("*.py")} | {
        p.parent.name for p in Path("benchmarks").glob("*/__main__.py")
    }
    assert {module for module, *_ in CASES} == there - {"__init__", "arguments"}


def member(path: Path, content: bytes, key: str = "train") -> Path:
    """A file like that of `BITS`, one of whose members holds other bytes."""
    np.savez(path, **BITS)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, old_content in parts.items():
            new.writestr(name, content if name == f"{key}.npy" else old_content)
    return path


def header(text: str) -> bytes:
    text = text + " " * (64 - (len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "train is no array"),
        (b"hello, this is no array at all", "train is no array"),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (800000, 800000)}"),
            "5,120,000,000,000 bytes, and 0 are",
        ),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4)}") + bytes(15), "16 bytes, and 15 are there"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (4, 4)}") + bytes(128), "holds Python objects"),
        (header("{'descr': '|u1', 'shape': (4, 4)}") + bytes(16), "train is no array"),
    ],
    ids=["empty", "words", "five terabytes", "cut", "objects", "half a header"],
)
def test_a_member_that_is_no_array_is_named_before_memory_is_asked_for(tmp_path, content, said):
    path = member(tmp_path / "a.npz", content)
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        load_binary(path)
    assert said in str(error.value)


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **{key: np.tile(x, (50, 1)) for key, x in BITS.items()})
    content = bytearray(path.read_bytes())
    for place in range(60, 140):  # inside the first member, behind its name
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz.* damaged"):
        load_binary(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a\.npz is no \.npz file"):
        load_binary(path)


def test_good_files_are_read(tmp_path):
    """Also in the second version of the format, in Fortran order, and with labels beside the images."""
    np.savez(tmp_path / "bits.npz", **(BITS | {"train": np.asfortranarray(np.ones((5, 4)))}))
    assert load_binary(tmp_path / "bits.npz").train.tolist() == np.ones((5, 4)).tolist()
    images = {"x_train": np.zeros((3, 28, 28), np.uint8), "x_test": np.ones((2, 28, 28), np.uint8), "y_test": [1, 2]}
    np.savez(tmp_path / "images.npz", **images)
    assert [part.shape for part in read_mnist(tmp_path / "images.npz")] == [(3, 28, 28), (2, 28, 28)]
    with pytest.raises(ValueError, match="x_train has 3 images; 4 are needed"):
        read_mnist(tmp_path / "images.npz", least=4)


def test_what_is_right_passes(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert integer(1, 9)("9") == 9
    assert (seed("0"), seed("4294967295"), positive("1e-3")) == (0, 2**32 - 1, 1e-3)
    assert readable_file(str(tmp_path / "file")) == new_file(str(tmp_path / "file")) == tmp_path / "file"
    assert new_file(str(tmp_path / "other")) == tmp_path / "other"
    assert folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()

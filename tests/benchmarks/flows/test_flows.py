"""The flow benchmark: each part end to end in miniature, the entropies that gaps are taken from, and bad input."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks.flows import images, in_torch, mnist, toy
from benchmarks.flows.__main__ import main
from benchmarks.flows.compiling import compile_times
from benchmarks.flows.contenders import LIBRARIES, Contender, Size
from benchmarks.flows.mnist import Recipe
from benchmarks.flows.run import COLUMNS, TABLE, Run, dumps, header, line
from benchmarks.flows.speed import speed, timed_in_turns
from course_lib.data.toy import CHECKERBOARD, EIGHT_GAUSSIANS
from course_lib.flows import MAF, Affine, Flow, RealNVP, logit_bits_per_dim
from tests.laws.registry import perturbed
from tests.tolerances import FLOAT32, within_standard_errors

FAR = 1e9  # seconds of `time.monotonic`
TINY = Size(4, 2, (5, 5), 8, 2, {"RealNVP": 6, "MAF": 6})


@pytest.fixture(autouse=True)
def little_optimization(monkeypatch):
    """Here the compiler works longer than what it compiles; and other libraries broadcast between ranks."""
    with jax.numpy_rank_promotion("allow"):
        before = jax.config.read("jax_disable_most_optimizations")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", before)


def printed(part, records):
    """Every row fits its table and its JSON line says the same."""
    assert records
    for record in records:
        assert {key for key, _, _ in COLUMNS[TABLE[part]]} <= record.keys()
        assert len(line(part, record)) >= len(header(part))
        assert json.loads(dumps(record))["part"] == part
    return records


# --- toy densities ---
def eight_gaussians_by_hand(width=0.013):
    """x, p and log p on a grid, in float64, written apart from the library."""
    axis = np.arange(-4 + width / 2, 4, width)
    x = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    angles = np.arange(8) * np.pi / 4
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    p = sum(np.exp(-((x - c) ** 2).sum(axis=1) / 0.08) for c in centres) / (8 * 2 * np.pi * 0.04)
    return x, p, width**2


def test_gaps_are_taken_from_the_true_entropy():
    _, p, cell = eight_gaussians_by_hand()
    assert abs((p * cell).sum() - 1) < 1e-6
    by_hand = -(p * np.log(np.maximum(p, 1e-300)) * cell).sum()
    assert abs(EIGHT_GAUSSIANS.entropy() - by_hand) < 1e-3
    assert abs(CHECKERBOARD.entropy() - np.log(32)) < 1e-3


def test_the_gap_is_the_divergence_by_quadrature():
    x, p, cell = eight_gaussians_by_hand()
    model = Flow(2, Affine([0.3, 0.0], [1.5, 2.0]))
    log_q = -0.5 * ((x - [0.3, 0.0]) ** 2 / [2.25, 4.0]).sum(axis=1) - np.log(2 * np.pi * 3)
    exact = (p * (np.log(np.maximum(p, 1e-300)) - log_q) * cell).sum()
    found = toy.gap(model, EIGHT_GAUSSIANS, jax.random.key(0), 20_000)
    assert within_standard_errors(found["gap_nats"], exact, found["standard_error"])
    assert not within_standard_errors(found["test_nll_nats"], exact, found["standard_error"])
    assert abs(found["kl_nats"] - exact) < 0.02


def test_toy_densities_end_to_end(monkeypatch):
    for name, value in {
        "LAYERS": 2,
        "HIDDEN": [4],
        "BINS": 3,
        "CHUNK": 5,
        "BATCH_SIZE": 32,
        "TEST_POINTS": 500,
    }.items():
        monkeypatch.setattr(toy, name, value)
    (late,) = printed("toy", list(toy.toy(Run(0, 0.0), ("checkerboard",), steps=10)))
    assert late["gap_nats"] == pytest.approx(late["test_nll_nats"] - np.log(32), abs=1e-3)
    assert (late["steps"], late["cut_by_clock"]) == (5, True)
    assert line("toy", late).endswith("*")


# --- images ---
def test_scores_are_bits_per_pixel_of_the_logits():
    levels = np.random.default_rng(0).integers(0, 17, (7, 4)).astype(np.uint8)
    model = images.standardized(Flow(4, Affine(np.zeros(4), np.ones(4))), levels, 1e-3, 17)
    bits, log_p = images.score(model, levels, jax.random.key(0), 1e-3, 17, draws=1)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), 0)
    z = images.logits_of(key, jnp.asarray(levels), 1e-3, 17)
    np.testing.assert_allclose(log_p, model.log_prob(z), **FLOAT32)
    np.testing.assert_allclose(bits, logit_bits_per_dim(model.log_prob(z), z, 1e-3, 17), **FLOAT32)
    assert images.score(model, levels, jax.random.key(0), 1e-3, 17, draws=2, batch=3)[0].shape == (7,)


def test_digits_end_to_end(monkeypatch):
    monkeypatch.setattr(images, "HIDDEN", (4,))
    monkeypatch.setattr(images, "DIGITS", {"small": lambda width, rngs: MAF(64, 1, [width], rngs=rngs)})
    (record,) = printed("digits", list(images.digits(Run(0, FAR), ("small",), epochs=2)))
    assert record["hidden"] == 4
    assert 2 < record["bits_per_pixel"] < np.log2(17) + 1
    assert abs(record["bits_per_pixel"] - record["valid_bits_per_pixel"]) < 0.5


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALIDATION", 20)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels[:60], x_test=pixels[60:])
    return tmp_path / "mnist.npz"


def test_mnist_ends_when_the_clock_says_so_and_goes_on_from_its_checkpoint(small_mnist, tmp_path, capsys):
    recipe = Recipe(layers=1, hidden=(3,), epochs=2, batch_size=20)
    late = Run(0, 0.0, small_mnist, tmp_path / "saved")
    (first,) = printed("mnist", list(mnist.mnist(late, recipe)))
    assert (first["epochs"], first["cut_by_clock"]) == (1, True)
    (second,) = mnist.mnist(Run(0, FAR, small_mnist, tmp_path / "saved"), recipe)
    assert (second["epochs"], second["cut_by_clock"]) == (2, False)
    assert second["validation_nats"][0] == first["validation_nats"][0]
    assert 4 < second["bits_per_pixel"] < 12


# --- speed ---
def numbers(made: Contender) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(made.state[0]))


def test_every_library_gets_a_flow_of_the_same_size():
    for flow, offered in (("RealNVP", set(LIBRARIES)), ("MAF", {"ours", "ours, scanned", "flowjax"})):
        made = {name: build(flow, TINY) for name, build in LIBRARIES.items()}
        assert {name for name, contender in made.items() if contender is not None} == offered
        assert len({numbers(contender) for contender in made.values() if contender is not None}) == 1


@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "ours, scanned"])
def test_every_library_trains_and_samples(library):
    records = printed("speed", list(speed(Run(0, FAR), (TINY,), ("RealNVP",), turns=1, libraries=(library,))))
    assert [record["what"] for record in records] == ["train", "sample"]
    assert all(record["ratio"] == 1 and record["median_ms"] > 0 for record in records)


def test_contenders_take_turns_until_the_deadline():
    calls = []
    runners = {name: (lambda name=name: calls.append(name)) for name in "AB"}
    assert {name: len(t) for name, t in timed_in_turns(runners, 3, FAR).items()} == {"A": 3, "B": 3}
    assert calls == list("ABABABAB")
    assert len(timed_in_turns(runners, 3, 0.0)["A"]) == 1


def test_without_torch_its_rows_are_left_out_with_a_word(monkeypatch, capsys):
    monkeypatch.setattr(in_torch, "available", lambda: False)
    assert list(speed(Run(0, FAR), (), libraries=("ours", "torch eager"))) == []
    assert "PyTorch is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("flow", ["RealNVP", "MAF"])
def test_the_flow_in_torch_is_ours(flow):
    torch = pytest.importorskip("torch")
    ours = {"RealNVP": RealNVP, "MAF": MAF}[flow](4, 2, (5, 5), stacked=False, rngs=nnx.Rngs(0))
    ours, theirs = perturbed(ours, 0, scale=0.3), in_torch.network(flow, TINY)
    for layer, net in zip(ours.bijection.bijections, theirs.nets, strict=True):
        parts = [part for part in layer.conditioner.layers if hasattr(part, "kernel")]
        for linear, other in zip(parts, [m for m in net if hasattr(m, "weight")], strict=True):
            kernel, bias = np.array(linear.kernel[...]).T, np.array(linear.bias[...])
            if flow == "MAF" and linear is parts[-1]:  # ours has pairs, theirs all shifts and then all scales
                kernel, bias = (np.concatenate([p[0::2], p[1::2]]) for p in (kernel, bias))
            other.weight.data, other.bias.data = torch.from_numpy(kernel.copy()), torch.from_numpy(bias)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    np.testing.assert_allclose(ours.log_prob(x), theirs(torch.from_numpy(x)).detach().numpy(), **FLOAT32)
    assert theirs.sample(3).shape == (3, 4)


def test_compile_times_are_those_of_both_depths():
    (record,) = printed("compile", list(compile_times(Run(0, FAR), ("MAF",), turns=1)))
    assert record["ratio"] == pytest.approx(record["seconds_32_layers"] / record["seconds_4_layers"])


# --- the command line ---
def test_files_that_are_not_mnist_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "flat.npz", x_train=np.zeros((5, 784), np.uint8), x_test=np.zeros((5, 784), np.uint8))
    np.savez(tmp_path / "few.npz", x_train=np.zeros((5, 28, 28), np.uint8), x_test=np.zeros((5, 28, 28), np.uint8))
    for name, message in (("flat", "expected uint8 (n, 28, 28)"), ("few", "has 5 images; 10001 are")):
        assert main(["mnist", "--mnist", str(tmp_path / f"{name}.npz")]) == 2
        assert message in capsys.readouterr().err


def test_the_command_prints_a_table_and_json_lines(monkeypatch, tmp_path, capsys):
    row = {key: 1.0 if style.endswith("f") else 1 for key, _, style in COLUMNS["compile"]} | {
        "part": "compile",
        "flow": "x",
    }
    monkeypatch.setitem(main.__globals__["PARTS"], "compile", (lambda run: iter([row]), 1))
    assert main(["compile", "--minutes", "0.1", "--json", str(tmp_path / "rows.json")]) == 0
    out = capsys.readouterr().out
    assert "32 layers s" in out
    assert json.loads(out.splitlines()[-1]) == json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))

"""The benchmark of the bounds: its command line, a run that is stopped and goes on, and what it reports."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import bounds

TINY = bounds.Recipe(((0.5, 1), (1.0, 3)), epochs=2, share=1, hidden=(4,), num_latents=2, batch_size=10)


@pytest.fixture
def mnist(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for name, n in [("x_train", 20), ("x_test", 7)]}
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path / "mnist.npz"


@pytest.mark.parametrize("given", [["--minutes", "0"], ["--samples", "1"], ["--models", "gan"], ["--test-images", "0"]])
def test_what_cannot_be_run_is_refused(given):
    with pytest.raises(SystemExit):
        bounds.arguments(["--mnist", "mnist.npz", *given])


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert bounds.main(["--mnist", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


def test_a_run_reports_one_json_line_and_goes_on_from_its_folder(mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bounds, "RECIPES", {"vae": TINY})
    given = ["--mnist", str(mnist), "--samples", "5", "--test-images", "6", "--checkpoint", str(tmp_path / "runs")]
    records = []
    for _ in range(2):
        assert bounds.main(given) == 0
        records.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    first, second = records
    assert first["epochs"] == 2
    assert not first["cut_by_clock"]
    assert first["test_images"] == 6
    assert first["parameters"] == 784 * 4 + 4 + 2 * (4 * 2 + 2) + 2 * 4 + 4 + 4 * 784 + 784
    assert {k: first[k] for k in ("test_nll_nats", "epochs", "seconds")} == {
        k: second[k] for k in ("test_nll_nats", "epochs", "seconds")
    }
    monkeypatch.setattr(bounds, "RECIPES", {"vae": dataclasses.replace(TINY, rate=0.1)})
    with pytest.raises(ValueError, match="another recipe"):
        bounds.main(given)

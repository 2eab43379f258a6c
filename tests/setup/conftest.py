"""Whether the package index that this machine uses can be reached."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def package_index() -> None:
    """Skips without a network on a learner's machine; in CI a missing network is a failure."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", "pip"]
    done = subprocess.run(command, capture_output=True, timeout=300)
    if done.returncode and os.environ.get("CI"):
        pytest.fail("no package index can be reached: " + done.stderr.decode(errors="replace")[-300:])
    if done.returncode:
        pytest.skip("no package index can be reached")

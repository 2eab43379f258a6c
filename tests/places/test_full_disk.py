"""A disk that fills up in the middle: the person is told, what was there stays whole, and a repetition goes on."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.places.people import POSIX, ROOT, environment

pytestmark = POSIX
# Fills the disk up to some bytes that are left, and gives them back.
DISK = """
import os
from pathlib import Path
disk = Path({disk!r})
def fill(left):
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "ballast").write_bytes(bytes(max(0, free - left)))
def make_room():
    (disk / "ballast").unlink()
"""


def on_disk(small_disk: Sequence[str], folder: Path, megabytes: int, code: str, **variables: str):
    """Run `code` as a program to whom `folder` is a disk of so many megabytes."""
    folder.mkdir()
    program = DISK.format(disk=str(folder)) + code
    mount = f'mount -t tmpfs -o size={megabytes}m course-test "{folder}" && exec "$0" -c "$1"'
    command = [*small_disk, mount, sys.executable, program]
    settings = environment(**variables)
    return subprocess.run(command, env=settings, capture_output=True, cwd=ROOT, timeout=300, encoding="utf-8")


COMPILE = """
import jax
from course_lib import notebook
notebook.start()
fill(left=12_000)
for k in range(30):
    assert jax.jit(lambda x: x * 3 - k)(2.0) == 6 - k
make_room()
assert jax.jit(lambda x: x * 5)(2.0) == 10
print("done")
"""


def test_a_notebook_goes_on_when_the_disk_of_its_compile_cache_fills_up(small_disk, tmp_path):
    """And the next kernel drops the programs of which only a part was written."""
    folder = tmp_path / "é 数"
    again = COMPILE + "import warnings; warnings.simplefilter('error'); notebook.start(); print('again')"
    done = on_disk(small_disk, folder, 80, again, COURSE_CACHE_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\nagain\n"
    assert "Traceback" not in done.stderr


def test_a_notebook_starts_where_the_disk_is_full_already(small_disk, tmp_path):
    folder = tmp_path / "full"
    code = "fill(left=0)\n" + COMPILE.replace("fill(left=12_000)", "")
    done = on_disk(small_disk, folder, 1, code, COURSE_CACHE_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert "Continuing without a compile cache." in done.stdout
    assert "its disk is full: 0 MB free" in done.stdout
    assert done.stdout.endswith("done\n")


TRAIN = """
from flax import nnx
from tests.training.problems import Regressor, same, train
straight = Regressor()
train(straight, epochs=6)
train(Regressor(), epochs=3, checkpoint=disk / "run")
there = {file.name: file.read_bytes() for file in (disk / "run").iterdir()}
fill(left=1_000)
try:
    train(Regressor(), epochs=6, checkpoint=disk / "run")
except OSError as error:
    print(type(error).__name__, error)
assert {file.name: file.read_bytes() for file in (disk / "run").iterdir()} == there
make_room()
resumed = Regressor()
train(resumed, epochs=6, checkpoint=disk / "run")
assert same(resumed, straight)
print("done")
"""


def test_a_training_whose_checkpoint_finds_no_room_says_so_and_is_resumed_bit_for_bit(small_disk, tmp_path):
    done = on_disk(small_disk, tmp_path / "disk", 1, TRAIN)
    assert done.returncode == 0, done.stderr
    assert f"could not be written to {tmp_path}/disk/run: No space left on device" in done.stdout
    assert "Free space for two of them there" in done.stdout
    assert "it goes on from the last checkpoint that was written" in done.stdout
    assert done.stdout.endswith("done\n")


FETCH = """
import http.server, threading
from course_lib.data import mnist, mnist_archive
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(4_000_000))
        self.end_headers()
        try:
            self.wfile.write(bytes(4_000_000))
        except ConnectionError:
            pass
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
mnist_archive.MIRRORS = (f"http://127.0.0.1:{server.server_port}/mnist.npz",)
(disk / "notes.txt").write_text("kept")
try:
    mnist(disk, download=True)
except OSError as error:
    print(type(error).__name__, error)
print(sorted(file.name for file in disk.iterdir()), (disk / "notes.txt").read_text())
"""


def test_a_download_that_finds_no_room_says_so_and_leaves_nothing_half_fetched(small_disk, tmp_path):
    done = on_disk(small_disk, tmp_path / "disk", 1, FETCH)
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.strip().splitlines()
    assert said.startswith(f"OSError [Errno 28] The MNIST file (11 MB) cannot be written to {tmp_path}/disk: No space")
    assert "name a folder that you may write to: mnist(FOLDER, download=True)" in said
    assert left == "['notes.txt'] kept"


BUILD = """
import sys
from tools import build_notebooks
from course_lib.command import run_command
source = disk / "notebooks" / "source"
source.mkdir(parents=True)
(source / "98_tiny.py").write_text("# %%\\nprint(1)\\n")
assert build_notebooks.main(["--trial"], disk) == 0
built = disk / "build" / "trial" / "98_tiny.ipynb"
before = built.read_bytes()
(source / "98_tiny.py").write_text("# %%\\n" + "print(1)\\n" * 900)
fill(left=4_096)
try:
    run_command(lambda: build_notebooks.main(["--trial"], disk))
except SystemExit as end:
    print("status", end.code)
assert built.read_bytes() == before
assert [file.name for file in built.parent.iterdir()] == [built.name]
make_room()
assert build_notebooks.main(["--trial"], disk) == 0
assert built.read_bytes() != before
"""


def test_the_builder_stops_in_one_line_and_leaves_the_old_notebook_whole(small_disk, tmp_path):
    done = on_disk(small_disk, tmp_path / "disk", 1, BUILD)
    assert done.returncode == 0, done.stderr
    assert "status 1" in done.stdout
    assert "Stopped: [Errno 28] No space left on device" in done.stderr
    assert "Free some space there and repeat. Files that were there before are whole." in done.stderr
    assert "Traceback" not in done.stderr

"""One person in one root: brings the course, runs commands, and tells what came of each."""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tools.fresh.roots import PEOPLE, Root, end

COURSE = "course"  # the folder in a person's home
LIMIT = 40 * 60  # seconds for one command
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """A command did not do what it is for; the message says what was seen."""


def bring_course(root: Root, who: str, source: Path, commit: str) -> None:
    """Put a commit into a person's home: a clone for the ordinary user, for root the files as in an archive."""
    course = root.inside(f"{PEOPLE[who]}/{COURSE}")
    if who == "root":
        course.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=source, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "--no-same-owner", "-C", str(course)], input=archive.stdout, check=True)
    else:
        clone = ["git", "clone", "--quiet", "--no-hardlinks", "--no-checkout", str(source), str(course)]
        subprocess.run(clone, check=True)
        subprocess.run(["git", "-C", str(course), "checkout", "--quiet", "--detach", commit], check=True)
        process = root.start("root", f"chown -R {who}:{who} /{course.relative_to(root.folder)}", Path("/dev/null"))
        assert process.wait() == 0, "the clone could not be given to its owner"


def perform(root: Root, who: str, command: str, log: Path) -> str:
    """Run a command in the course's folder; one with a {port} is a server, which must show chapter 0.

    Returns:
        What there is to say about it.

    Raises:
        Failed: it did not work.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = root.start(who, f"cd ~/{COURSE} && exec {command.format(port=port)}", log)
    try:
        if "{port}" in command:
            wait_for_chapter_0(process, port, log)
            return f"chapter 0 served; .venv {megabytes(root.inside(f'{PEOPLE[who]}/{COURSE}/.venv')):,} MB"
        if process.wait(timeout=LIMIT) != 0:
            raise Failed(conclusion(log))
        return conclusion(log)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {LIMIT // 60} minutes") from None
    finally:
        end(process)


def wait_for_chapter_0(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once the address that the server prints shows the first chapter; raise Failed if it never does."""
    until = time.monotonic() + LIMIT
    seen = "no address was printed"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Failed(conclusion(log))
        said = log.read_text(errors="replace", encoding="utf-8")
        address = re.search(rf"http://(?:localhost|127\.0\.0\.1):{port}/lab/tree/(\S+\.ipynb)\?token=(\w+)", said)
        if address:
            try:
                return look_at_chapter_0(port, *address.groups())
            except (OSError, Failed) as error:
                seen = str(error)
        time.sleep(0.2)
    raise Failed(f"no page after {LIMIT // 60} minutes: {seen}")


def look_at_chapter_0(port: int, path: str, token: str) -> None:
    """Open the printed address and read the notebook that the page then asks for."""

    def get(what: str) -> str:
        with DIRECTLY.open(f"http://127.0.0.1:{port}/{what}?token={token}", timeout=20) as answer:
            return answer.read().decode()

    page = get(f"lab/tree/{path}")
    if "jupyter-config-data" not in page:
        raise Failed(f"the page of {path} is not JupyterLab's")
    notebook = json.loads(get(f"api/contents/{path}"))["content"]
    if "Start here" not in notebook["cells"][0]["source"]:
        raise Failed(f"{path} does not begin with chapter 0's heading")


def conclusion(log: Path) -> str:
    """The line in which pytest counts last, else the last line that names an error, else the last one at all."""
    said = [line.strip() for line in log.read_text(errors="replace", encoding="utf-8").splitlines() if line.strip()]
    counts = [re.fullmatch(r"=*\s*(\d+ \w+.* in \d[\d.]*s.*?)\s*=*", line) for line in said]
    errors = [line for line in said if re.match(r"ERROR|Set-up stopped|\w+Error\b", line)]
    return ([match[1] for match in counts if match] or errors or said or ["nothing was printed"])[-1][:100]


def megabytes(folder: Path) -> int:
    """Space that a folder takes on the disk."""
    printed = subprocess.run(["du", "-sm", str(folder)], capture_output=True, encoding="utf-8").stdout
    return int(printed.split()[0]) if printed else 0

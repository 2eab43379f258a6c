"""A package index of our own: a file for every locked package, empty but for metadata, and a newer one beside it."""

import base64
import functools
import hashlib
import http.server
import importlib.metadata
import io
import os
import re
import shutil
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)
NEWER = "9999.0"
WITH_A_VENV = ("pip", "setuptools")


def pinned(lock: str) -> list[tuple[str, str, str]]:
    """(name, version, marker) of each entry of a lock file; the marker may be empty."""
    return re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)(?: ; ([^\\\n]+?))? \\$", lock, flags=re.MULTILINE)


def wanted_here(lock: str) -> dict[str, str]:
    """Name → version of what the lock file installs with this Python on this machine, but for a venv's own."""
    here = {name: version for name, version, marker in pinned(lock) if not marker or Marker(marker).evaluate()}
    return {name: version for name, version in here.items() if name not in WITH_A_VENV}


def wheel(name: str, version: str, requires: list[str], files: dict[str, bytes] | None = None) -> tuple[str, bytes]:
    """File name and content of a wheel."""
    stem = f"{re.sub('[-.]+', '_', name)}-{version}"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    info = {
        "METADATA": "\n".join(metadata).encode() + b"\n",
        "WHEEL": b"Wheel-Version: 1.0\nGenerator: course\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content = (files or {}) | {f"{stem}.dist-info/{part}": text for part, text in info.items()}
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in content.items())
    content[f"{stem}.dist-info/RECORD"] = (record + f"{stem}.dist-info/RECORD,,\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in content.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if ".data/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, data)
    return f"{stem}-py3-none-any.whl", buffer.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def real_uv(version: str) -> tuple[str, bytes]:
    """The uv that is installed here, as a wheel again."""
    installed = importlib.metadata.distribution("uv").files or []
    files = {}
    for path in installed:
        data = Path(str(path.locate())).read_bytes() if path.parts[0] == "uv" else b""
        if path.parts[0] == "uv" and "__pycache__" not in path.parts:
            files[path.as_posix()] = data
        elif path.name in ("uv", "uv.exe"):
            files[f"uv-{version}.data/scripts/{path.name}"] = Path(str(path.locate())).read_bytes()
    return wheel("uv", version, [], files)


def requires_of(name: str) -> list[str]:
    """What the real package needs in turn, as far as it is installed here."""
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def make_course(course: Path, simple: Path, without: tuple[str, ...] = ()) -> None:
    """A copy of the set-up in `course`, with lock files that name the files of the index `simple`.

    Every locked package is in the index in its locked version and in a newer one, except those of `without`.
    """
    shutil.copytree(ROOT / "tools" / "setup", course / "tools" / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("course.py", "pyproject.toml", "Makefile", "tools/__init__.py", "tools/jupyterlab/course_lib.json"):
        if (ROOT / name).is_file():
            (course / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, course / name)
    for lock in LOCKS:
        blocks = []
        for name, version, marker in pinned((ROOT / lock).read_text(encoding="utf-8")):
            file, data = real_uv(version) if name == "uv" else wheel(name, version, requires_of(name))
            newer = wheel(name, NEWER, requires_of(name))
            folder = simple / name
            folder.mkdir(parents=True, exist_ok=True)
            if name not in without:
                for path, content in ((file, data), newer):
                    (folder / path).write_bytes(content)
            links = [
                f'<a href="{p.name}#sha256={hashlib.sha256(p.read_bytes()).hexdigest()}">{p.name}</a>'
                for p in sorted(folder.glob("*.whl"))
            ]
            (folder / "index.html").write_text(
                "<!DOCTYPE html><html><body>" + "<br>".join(links) + "</body></html>", encoding="utf-8"
            )
            pin = f"{name}=={version}" + (f" ; {marker}" if marker else "")
            blocks.append(f"{pin} \\\n    --hash=sha256:{hashlib.sha256(data).hexdigest()}\n")
        (course / lock).write_text("".join(blocks), encoding="utf-8")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, silently. While `stall` names a package, its files never arrive."""

    stall = ""
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        while Handler.stall and f"/{Handler.stall}/" in self.path and self.path.endswith(".whl"):
            time.sleep(0.05)
        super().do_GET()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an index that lies in `folder`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def alone(home: Path, index: str, **more: str) -> dict[str, str]:
    """The environment of a person who has this index, an empty home, and no settings or caches of ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "COURSE_", "PYTHON", "XDG_"))}
    home.mkdir(parents=True, exist_ok=True)
    kept.pop("VIRTUAL_ENV", None)
    return kept | {"HOME": str(home), "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "PIP_RETRIES": "1"} | more


def installed_in(venv: Path) -> dict[str, str]:
    """Name → version of every package in an environment, pip and what came with it left out."""
    (packages,) = [*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")]
    found = importlib.metadata.distributions(path=[str(packages)])
    names = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in found}
    return {name: version for name, version in names.items() if name not in WITH_A_VENV}

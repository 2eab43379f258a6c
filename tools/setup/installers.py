"""pip and uv bring a lock file's packages into an environment, as they stand there: nothing is resolved."""

import ast
import os
import re
import subprocess
import tempfile

from .common import LOCKS, ROOT, Stopped, can_write, python_of, read, say

UV = re.compile(r"^uv==(.|\n)*?(?=^[a-z0-9]|\Z)", flags=re.MULTILINE)
NO_FILE = "the package index has no file of a pinned package"
NO_NETWORK = (
    "NewConnectionError|ConnectTimeout|NameResolutionError|Failed to establish|ProxyError|error sending request"
    "|client error|dns error|Could not connect|tcp connect|operation timed out|Temporary failure in name resolution"
)


def run(command, environment, progress):
    """Run an installer, tell what `progress` finds in each line, return its exit status and last lines."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    lines = []
    try:
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace")
            lines = lines[-60:] + [line]
            told = progress(line)
            if told:
                say("  " + told)
        return process.wait(), "".join(lines)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def final_failure(text):
    """Raise what no other installer could do better: no network, a full disk, a wrong hash."""
    if "No space left" in text or "os error 28" in text or "not enough space" in text:
        raise Stopped("the disk is full", "free about 3 GB and repeat; what was downloaded is kept.")
    if re.search("DO NOT MATCH THE HASHES|Hash mismatch", text):
        raise Stopped(
            "a downloaded package does not match its hash in the lock file",
            "repeat; if it stays, do not use that index.",
        )
    if re.search(NO_NETWORK, text):
        raise Stopped(
            "no package index could be reached",
            "connect to the network and repeat; what was downloaded is kept. Later starts need no network.",
        )


def pip(venv, pins, *arguments):
    """Let the environment's own pip install what the text `pins` of a lock file names.

    Raises:
        Stopped: with the reason, as far as pip's last lines tell it.
    """
    collected = []

    def progress(line):
        collected.extend([1] if line.startswith(("Collecting", "Processing")) else [])
        if line.startswith("Installing collected packages"):
            return "unpacking"
        return "%d packages found" % len(collected) if line.startswith("Coll") and len(collected) % 25 == 0 else ""

    options = ["--disable-pip-version-check", "--progress-bar", "off", "--no-deps", "--require-hashes"]
    options += ["--only-binary", ":all:"] + list(arguments)
    descriptor, lock = tempfile.mkstemp(suffix=".txt")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(pins)
        command = [python_of(venv), "-m", "pip", "install"] + options + ["--requirement", lock]
        code, text = run(command, dict(os.environ, PIP_NO_INPUT="1"), progress)
    finally:
        os.remove(lock)
    if code:
        final_failure(text)
        if "No matching distribution" in text:
            raise Stopped(
                NO_FILE + " for this Python and machine, or was not reached",
                "the locks are for Python 3.11 to 3.14, 64 bit, on Linux, Macs with Apple processors, and Windows.",
            )
        raise Stopped("pip failed:\n" + text[-2000:], "mend what the lines above say and repeat.")


def with_pips_settings(venv):
    """The variables with which uv reaches the same index as this machine's pip, unless uv has settings of its own."""
    environment = dict(os.environ)
    environment.setdefault("UV_HTTP_TIMEOUT", "300")
    environment["VIRTUAL_ENV"] = venv
    if not can_write(os.path.expanduser("~")) and "UV_CACHE_DIR" not in environment:
        environment["UV_NO_CACHE"] = "1"
    if any(name in environment for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_CONFIG_FILE")):
        return environment
    done = subprocess.run(
        [python_of(venv), "-m", "pip", "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    settings = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        if name.split(".")[0] in ("global", "install", ":env:"):
            settings[name.split(".")[-1]] = ast.literal_eval(value) if value[:1] in "'\"" else value
    names = {
        "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS",
        "trusted-host": "UV_INSECURE_HOST", "cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY",
    }  # fmt: skip
    for name, variable in names.items():
        if settings.get(name) and variable not in environment:
            separator = "," if name == "find-links" else " "
            environment[variable] = separator.join(str(settings[name]).split())
    environment["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: any index, for the hashes decide
    return environment


def install(venv, lock, again):
    """Bring every package of a lock file into the environment, as it stands there; `again`: also what seems installed.

    Raises:
        Stopped: it cannot be done; the reason and the mend.
    """
    uv = os.path.join(os.path.dirname(python_of(venv)), "uv.exe" if os.name == "nt" else "uv")
    if os.path.exists(uv) or fetch_uv(venv):
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:"] + (["--reinstall"] if again else [])
        large = re.compile(r"^Downloading (\S+) \((\d\d+\.?\d*[MG]iB)\)")
        code, text = run(
            [uv, "pip", "install", "--python", python_of(venv), "--color", "never"] + options + ["--requirement", lock],
            with_pips_settings(venv),
            lambda line: "fetching %s %s" % large.match(line).groups() if large.match(line) else "",
        )
        if code == 0:
            return
        final_failure(text)
        say("uv could not install the packages; pip tries:\n" + text[-800:])
    pip(venv, UV.sub("", read(lock)), *(["--force-reinstall"] if again else []))


def fetch_uv(venv):
    """Bring uv alone, as the lock file pins it; False where there is none for this machine."""
    entry = UV.search(read(os.path.join(ROOT, LOCKS["learner"])))
    try:
        pip(venv, entry.group(0) if entry else "uv")
    except Stopped as reason:
        if NO_FILE not in str(reason):
            raise
        say("There is no uv for this machine; pip goes on, which takes longer.")
        return False
    return True

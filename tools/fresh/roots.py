"""A bare Debian in a folder: made by debootstrap, used in namespaces of its own.

Everything in a root runs in a mount and a process namespace that end with their first process: whatever stops a trial
(its end, Ctrl-C, the kernel), its mounts and its processes are gone.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tools.fresh import host

SUITES = {"bookworm": "3.11", "trixie": "3.13", "sid": "3.14"}
PACKAGES = ("python3", "python3-venv", "make")  # what the README asks of a person
PRESENT = ("ca-certificates", "git")  # what a machine that browses the web and clones repositories has
PEOPLE = {"root": "/root", "learner": "/home/learner"}
NAMESPACES = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL")
ENTER = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/dev/shm" || exit 125
exec chroot "--userspec=$1" "$0" /usr/bin/env -i "${@:3}" /bin/sh -c "$2"
"""


class CannotMakeRoots(Exception):
    """Something on this machine is missing; the message says what to do."""


def check_machine() -> None:
    """Raises CannotMakeRoots unless roots can be made here."""
    if os.name != "posix" or not hasattr(os, "geteuid"):
        raise CannotMakeRoots("Debian roots can be made on Linux alone.")
    missing = [tool for tool in ("debootstrap", "chroot", "git", *NAMESPACES[::3][:2]) if not shutil.which(tool)]
    if missing:
        raise CannotMakeRoots(f"Missing: {', '.join(missing)}. On Debian: apt-get install debootstrap util-linux git")
    if os.geteuid() != 0:
        raise CannotMakeRoots("Only root can make and enter roots: sudo make test-fresh")


def base(suite: str, folder: Path) -> Path:
    """The untouched root of a suite in `folder`; made if it is not there."""
    ready = folder / "+".join((suite, *PACKAGES, *PRESENT))
    if ready.is_dir():
        return ready
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{suite}-part-") as part:
        wanted = ",".join(PACKAGES + PRESENT)
        command = ["debootstrap", "--variant=minbase", f"--include={wanted}", suite, part, *host.mirror()]
        environment = host.archive_proxy() | dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        done = subprocess.run([*NAMESPACES, *command], env=environment, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise CannotMakeRoots(f"debootstrap could not make {suite}:\n{(done.stdout + done.stderr)[-1500:]}")
        subprocess.run(["chroot", part, "useradd", "--create-home", "--shell=/bin/bash", "learner"], check=True)
        os.chmod(part, 0o755)  # an ordinary user must be able to enter
        os.rename(part, ready)
    return ready


class Root:
    """A copy of a base in which people run commands; its end removes it, unless it is to be kept."""

    def __init__(self, untouched: Path, keep: bool = False):
        self.folder = Path(tempfile.mkdtemp(dir=untouched.parent, prefix="trial-"))
        self.keep = keep
        self.variables = host.variables()
        shutil.rmtree(self.folder)
        subprocess.run(["cp", "-a", "--reflink=auto", str(untouched), str(self.folder)], check=True)
        shutil.copyfile("/etc/resolv.conf", self.folder / "etc/resolv.conf")
        (self.folder / host.BUNDLE.lstrip("/")).write_bytes(host.certificates())

    def __enter__(self) -> "Root":
        return self

    def __exit__(self, *_: object) -> None:
        if not self.keep:
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], check=True)

    def inside(self, path: str) -> Path:
        """Where a path of the root lies on this machine."""
        return self.folder / path.lstrip("/")

    def command(self, who: str, script: str) -> list[str]:
        """The command line of this machine that runs a shell script as a person of the root."""
        login = {"HOME": PEOPLE[who], "USER": who, "LOGNAME": who, "SHELL": "/bin/bash", "LANG": "C.UTF-8"}
        login |= {"TERM": "dumb", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        pairs = [f"{name}={value}" for name, value in (login | self.variables).items()]
        return [*NAMESPACES, "bash", "-c", ENTER, str(self.folder), f"{who}:{who}", script, *pairs]

    def output(self, script: str) -> str:
        """What a short script prints, run by root."""
        return subprocess.run(
            self.command("root", script), capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()

    def start(self, who: str, script: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a script; what it prints goes to `log`."""
        with log.open("wb") as file:
            return subprocess.Popen(
                self.command(who, script),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a started script with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

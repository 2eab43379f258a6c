"""The one address of the course's repository, and every link that follows from it.

It stands in book.yml under `project.github`, the key that the MyST format knows; `project.options` may name a `branch`
(main) and an nbgitpuller `hub`. Without an address there is no link, no button and no installing cell anywhere.
`python -m tools.repository` writes what follows from it into README.md and index.md; `--check` only compares.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import yaml

from course_lib.command import run_command

ROOT = Path(__file__).resolve().parents[1]
FIRST = "notebooks/00_start_here.ipynb"
BEGIN = "<!-- begin: written from book.yml by python -m tools.repository -->"
END = "<!-- end -->"
WITH_BLOCK = ("README.md", "index.md")
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"


class AddressError(ValueError):
    """book.yml names something that no link can be made from; the message says what to write."""


@dataclass(frozen=True)
class Link:
    """A place where the course starts by one click."""

    name: str
    url: str
    icon: str


@dataclass(frozen=True)
class Repository:
    """Where the course can be had: `address` (https, without .git), `branch`, and the address of an nbgitpuller hub."""

    address: str
    branch: str = "main"
    hub: str = ""

    def __post_init__(self) -> None:
        owner_and_name = rf"https://[a-z0-9.-]+(?:/{NAME}){{2,}}"
        if not re.fullmatch(owner_and_name, self.address) or self.address.endswith((".git", "/OWNER/REPO")):
            raise AddressError(_refusal("github", self.address, "https://github.com/OWNER/REPO with your names in it"))
        if self.host == "github.com" and self.path.count("/") > 1:
            raise AddressError(_refusal("github", self.address, "https://github.com/OWNER/REPO, no page of it"))
        if not re.fullmatch(rf"{NAME}(?:/{NAME})*", self.branch) or ".." in self.branch:
            raise AddressError(_refusal("options.branch", self.branch, "the name of a branch, such as main"))
        if self.hub and not re.fullmatch(r"https://[a-z0-9.-]+(?::\d+)?(?:/[\w.~-]+)*", self.hub):
            raise AddressError(_refusal("options.hub", self.hub, "the hub's address, such as https://hub.example.org"))

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    @property
    def path(self) -> str:
        """OWNER/REPO; on GitLab there may be groups between them."""
        return urlsplit(self.address).path.strip("/")

    @property
    def requirement(self) -> str:
        """What pip installs the course from."""
        return f"git+{self.address}@{self.branch}"

    def binder(self, notebook: str) -> str:
        forms = {"github.com": f"gh/{self.path}", "gitlab.com": f"gl/{quote(self.path, safe='')}"}
        place = f"{forms[self.host]}/{quote(self.branch, safe='')}"
        return f"https://mybinder.org/v2/{place}?urlpath=lab/tree/{quote(notebook)}"

    def colab(self, notebook: str) -> str:
        return f"https://colab.research.google.com/github/{self.path}/blob/{self.branch}/{quote(notebook)}"

    def codespaces(self) -> str:
        return f"https://codespaces.new/{self.path}" + (f"/tree/{self.branch}" if self.branch != "main" else "")

    def nbgitpuller(self, notebook: str) -> str:
        folder = self.path.rpartition("/")[2]  # nbgitpuller names its clone after the repository
        query = {"repo": self.address, "branch": self.branch, "urlpath": f"lab/tree/{folder}/{notebook}"}
        return f"{self.hub}/hub/user-redirect/git-pull?{urlencode(query, quote_via=quote, safe='')}"

    def links(self, notebook: str = FIRST) -> list[Link]:
        """Every place that can open this notebook; none for a host that none of them reads."""
        found = []
        if self.host in ("github.com", "gitlab.com"):
            found.append(Link("Binder", self.binder(notebook), "_static/images/logo_binder.svg"))
        if self.host == "github.com":
            found.append(Link("Colab", self.colab(notebook), "_static/images/logo_colab.png"))
            found.append(Link("Codespaces", self.codespaces(), "fa-brands fa-github"))
        if self.hub:
            found.append(Link("JupyterHub", self.nbgitpuller(notebook), "_static/images/logo_jupyterhub.svg"))
        return found


def _refusal(key: str, found: object, wanted: str) -> str:
    return f"book.yml: project.{key} is {found!r}; expected {wanted}, or no such line."


def repository(root: Path = ROOT) -> Repository | None:
    """What book.yml says; None if it names no address.

    Raises:
        AddressError: an address, branch or hub that no link can be made from.
    """
    file = root / "book.yml"
    project = yaml.safe_load(file.read_text(encoding="utf-8"))["project"] if file.is_file() else {}
    address, options = project.get("github"), project.get("options") or {}
    if address is None:
        if options.keys() & {"branch", "hub"}:
            raise AddressError("book.yml: project.options names a branch or a hub, but project.github no address.")
        return None
    hub = str(options.get("hub", "")).rstrip("/")
    return Repository(str(address).rstrip("/"), str(options.get("branch", "main")), hub)


def block(found: Repository | None) -> str:
    """What README.md and the front page say between the two markers."""
    if found is None:
        return f"{BEGIN}\n{END}"
    folder = found.path.rpartition("/")[2]
    places = " · ".join(f"[{link.name}]({link.url})" for link in found.links())
    elsewhere = [f"Started elsewhere, with nothing to install: {places}.", ""] * bool(places)
    lines = [
        "",
        *elsewhere,
        "To have it on your machine:",
        "",
        f"    git clone {found.address}",
        f"    cd {folder}",
        "",
    ]
    return "\n".join([BEGIN, *lines, END])


def with_block(text: str, found: Repository | None) -> str:
    """The text with what stands between its markers written anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise AddressError(f"the markers are missing: {BEGIN} and {END}")
    return before + block(found) + after


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        prog="tools.repository", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a block is out of date")
    check = parser.parse_args(arguments).check
    try:
        found = repository(root)
        stale = []
        for path in (root / name for name in WITH_BLOCK):
            text = path.read_text(encoding="utf-8")
            wanted = with_block(text, found)
            stale += [path] if wanted != text else []
            if wanted != text and not check:
                path.write_text(wanted, encoding="utf-8", newline="\n")
    except AddressError as error:
        print(error, file=sys.stderr)
        return 1
    for path in stale:
        print(f"{path.name}: {'stale; write it with python -m tools.repository' if check else 'written'}")
    return int(bool(stale and check))


if __name__ == "__main__":
    run_command(main)

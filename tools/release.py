"""Is this tag a release? `python -m tools.release v0.1.0 [--notes FILE]`; without a tag: do the files agree?

The version stands in pyproject.toml, in CITATION.cff with its date, and over the newest dated section of CHANGELOG.md.
The section's text becomes the notes of the release. Needs the standard library alone.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

from course_lib.command import run_command

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
DATED = re.compile(r"(\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)")


def sections(changelog: str) -> dict[str, str]:
    """Heading → text, newest first."""
    _, *parts = HEADING.split(changelog)
    return {heading: text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def notes(changelog: str, version: str) -> str:
    """What the changelog says about a version; empty if it has no dated section."""
    return next((text for heading, text in sections(changelog).items() if heading.startswith(f"{version} (")), "")


def problems(root: Path = ROOT, tag: str = "") -> list[str]:
    """Where the files that name the version, or the tag, disagree."""

    def read(name: str) -> str:
        return (root / name).read_text(encoding="utf-8")

    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    cited = dict(re.findall(r"(?m)^(version|date-released): *\"?([^\"\n]+)\"?$", read("CITATION.cff")))
    first, *older = sections(read("CHANGELOG.md"))
    headings = older if first == "Unreleased" else [first, *older]
    found = [f"CHANGELOG.md: {h!r} is no heading like '0.2.0 (2027-01-31)'" for h in headings if not DATED.fullmatch(h)]
    dated = [match.groups() for h in headings if (match := DATED.fullmatch(h))]
    order = [tuple(map(int, number.split("."))) for number, _ in dated]
    if order != sorted(set(order), reverse=True):
        found.append("CHANGELOG.md: the versions are not in falling order")
    newest = dated[0] if dated else ("none", "none")
    if newest[0] != version:
        found.append(f"CHANGELOG.md: its newest dated version is {newest[0]}, that of pyproject.toml {version}")
    if (cited.get("version"), cited.get("date-released")) != newest:
        found.append(f"CITATION.cff: {cited}, but the newest section of CHANGELOG.md is {' of '.join(newest)}")
    if tag and tag != f"v{version}":
        found.append(f"the tag {tag} is not v{version}, which pyproject.toml names")
    if tag and not notes(read("CHANGELOG.md"), version):
        found.append(f"CHANGELOG.md: nothing stands under {version}")
    return found


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="tools.release", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("tag", nargs="?", default="", help="such as v0.1.0")
    parser.add_argument("--notes", type=Path, help="write the notes of the release to this file")
    options = parser.parse_args(arguments)
    found = problems(root, options.tag)
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    if options.notes:
        text = notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), options.tag.removeprefix("v"))
        options.notes.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)

"""One address gives every link its exact form; none gives none; a wrong one is refused with the mend."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tools.repository import ROOT, WITH_BLOCK, AddressError, Repository, block, main, repository, with_block

PAGE = "notebooks/02_autoregressive.ipynb"
ON_GITHUB = Repository("https://github.com/ada/course")
ON_GITLAB = Repository("https://gitlab.com/group/sub/course")
ELSEWHERE = Repository("https://git.example.org/ada/course")


@pytest.fixture
def project(tmp_path):
    """Writes a folder with the three files that the tool reads and writes."""

    def make(**keys: object) -> Path:
        (tmp_path / "book.yml").write_text(yaml.safe_dump({"project": {"title": "A course"} | keys}), encoding="utf-8")
        for name in WITH_BLOCK:
            (tmp_path / name).write_text(f"# A course\n\n{block(None)}\n\nMore → text.\n", encoding="utf-8")
        return tmp_path

    return make


def urls(found: Repository) -> dict[str, str]:
    return {link.name: link.url for link in found.links(PAGE)}


# Forms of the links


def test_github_gives_binder_colab_and_codespaces():
    assert urls(ON_GITHUB) == {
        "Binder": "https://mybinder.org/v2/gh/ada/course/main?urlpath=lab/tree/notebooks/02_autoregressive.ipynb",
        "Colab": "https://colab.research.google.com/github/ada/course/blob/main/notebooks/02_autoregressive.ipynb",
        "Codespaces": "https://codespaces.new/ada/course",
    }
    assert ON_GITHUB.requirement == "git+https://github.com/ada/course@main"


def test_another_branch_is_in_every_link():
    found = Repository("https://github.com/ada/course", "2027/autumn")
    assert urls(found) == {
        "Binder": f"https://mybinder.org/v2/gh/ada/course/2027%2Fautumn?urlpath=lab/tree/{PAGE}",
        "Colab": f"https://colab.research.google.com/github/ada/course/blob/2027/autumn/{PAGE}",
        "Codespaces": "https://codespaces.new/ada/course/tree/2027/autumn",
    }
    assert found.requirement.endswith("/course@2027/autumn")


def test_gitlab_gives_binder_alone_with_its_path_in_one_piece():
    assert urls(ON_GITLAB) == {
        "Binder": f"https://mybinder.org/v2/gl/group%2Fsub%2Fcourse/main?urlpath=lab/tree/{PAGE}"
    }


def test_any_other_host_gives_a_clone_line_and_no_launch_link():
    assert urls(ELSEWHERE) == {}
    text = block(ELSEWHERE)
    assert "\n    git clone https://git.example.org/ada/course\n    cd course\n" in text
    assert "](" not in text


def test_a_hub_gets_an_nbgitpuller_link_whose_parts_are_escaped():
    found = Repository("https://gitlab.com/group/sub/course", "main", "https://hub.example.org/jupyter")
    url = urls(found)["JupyterHub"]
    assert url == (
        "https://hub.example.org/jupyter/hub/user-redirect/git-pull?"
        "repo=https%3A%2F%2Fgitlab.com%2Fgroup%2Fsub%2Fcourse&branch=main"
        "&urlpath=lab%2Ftree%2Fcourse%2Fnotebooks%2F02_autoregressive.ipynb"
    )
    assert parse_qs(urlsplit(url).query)["urlpath"] == [f"lab/tree/course/{PAGE}"]


# What book.yml may say


def test_book_yml_is_read(project):
    options = {"branch": "stable", "hub": "https://hub.example.org/"}
    found = repository(project(github="https://github.com/ada/course/", options=options))
    assert found == Repository("https://github.com/ada/course", "stable", "https://hub.example.org")
    assert repository(project()) is None
    assert repository(project(github="https://github.com/ada/course")) == ON_GITHUB


@pytest.mark.parametrize(
    "address",
    ["github.com/ada/course", "ada/course", "http://github.com/ada/course", "git@github.com:ada/course.git",
     "https://github.com/ada", "https://github.com/ada/course.git", "https://github.com/ada/course/tree/main",
     "https://github.com/OWNER/REPO", "https://github.com/ada/a course", "https://me:secret@github.com/ada/course",
     "https://github.com/ada/course?x=1", "", 7, 'https://github.com/ada/c"+x'],
)  # fmt: skip
def test_a_wrong_address_is_refused_with_what_to_write(project, address, capsys):
    folder = project(github=address)
    with pytest.raises(AddressError, match=r"book\.yml: project\.github is .*expected https://github\.com/OWNER/REPO"):
        repository(folder)
    assert main([], folder) == 1
    assert "expected https://github.com/OWNER/REPO" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [({"branch": "a b"}, "branch is 'a b'"), ({"branch": "a..b"}, "branch is"), ({"hub": "hub.example.org"}, "hub is")],
)
def test_a_wrong_branch_or_hub_is_refused(project, options, said):
    with pytest.raises(AddressError, match=rf"project\.options\.{said}"):
        repository(project(github="https://github.com/ada/course", options=options))


def test_a_branch_without_an_address_is_refused(project):
    with pytest.raises(AddressError, match=r"project\.github no address"):
        repository(project(options={"branch": "main"}))


# README.md and the front page


def test_the_command_writes_links_and_takes_them_away_again(project, capsys):
    folder = project(github="https://github.com/ada/course")
    assert main(["--check"], folder) == 1
    assert "README.md: stale" in capsys.readouterr().out
    assert main([], folder) == 0
    for name in WITH_BLOCK:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.startswith("# A course\n\n"), name
        assert text.endswith("\n\nMore → text.\n"), name
        assert "\n    git clone https://github.com/ada/course\n    cd course\n" in text
        assert re.findall(r"\[(\w+)\]\((https://[^)]+)\)", text) == [(x.name, x.url) for x in ON_GITHUB.links()]
    assert main(["--check"], folder) == 0
    whole = (folder / "README.md").read_text(encoding="utf-8")
    project()
    (folder / "README.md").write_text(whole, encoding="utf-8")
    assert main([], folder) == 0
    assert (folder / "README.md").read_text(encoding="utf-8") == f"# A course\n\n{block(None)}\n\nMore → text.\n"


def test_a_file_without_markers_is_refused_rather_than_left_as_it_is():
    with pytest.raises(AddressError, match="markers are missing"):
        with_block("no markers", ON_GITHUB)


def test_readme_and_front_page_say_what_book_yml_says():
    command = [sys.executable, "-m", "tools.repository", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_text_holds_an_address_that_a_reader_cannot_follow():
    placeholder = re.compile(r"git clone [A-Z]|github\.com/OWNER|\bADDRESS\b")
    found = {name: placeholder.findall((ROOT / name).read_text(encoding="utf-8")) for name in WITH_BLOCK}
    assert found == {name: [] for name in WITH_BLOCK}

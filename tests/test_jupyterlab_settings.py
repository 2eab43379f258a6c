"""The settings that the environment ships: JupyterLab knows every one of them, and reads the file."""

import json
import shutil
from pathlib import Path

import pytest
from jupyterlab.commands import get_app_dir
from jupyterlab_server.settings_utils import _get_overrides

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "tools" / "jupyterlab" / "course_lib.json"
SHARE = Path(get_app_dir()).parent
SETTINGS = json.loads(SHIPPED.read_text(encoding="utf-8"))


def schema(plugin: str) -> dict:
    package, _, name = plugin.partition(":")
    places = [SHARE / "lab" / "schemas", SHARE / "labextensions" / package / "schemas"]
    return json.loads(
        next(p for place in places if (p := place / package / f"{name}.json").is_file()).read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("plugin", SETTINGS)
def test_every_setting_exists_and_differs_from_the_default(plugin: str):
    known = schema(plugin)["properties"]
    for name, value in SETTINGS[plugin].items():
        assert name in known, f"{plugin} has no setting {name}"
        assert value != known[name]["default"]
        allowed = known[name].get("enum") or [option["const"] for option in known[name].get("oneOf", [])]
        assert not allowed or value in allowed


def test_widget_state_is_saved_and_nothing_is_asked():
    assert SETTINGS["@jupyter-widgets/jupyterlab-manager:plugin"]["saveState"] is True
    assert SETTINGS["@jupyterlab/apputils-extension:notification"] == {"checkForUpdates": False, "fetchNews": "false"}


def test_the_server_reads_the_file_beside_those_of_others(tmp_path: Path):
    """In the folder for packages, where a user's own file still counts more."""
    (tmp_path / "overrides.d").mkdir()
    assert _get_overrides(str(tmp_path))[0] == {}
    shutil.copy(SHIPPED, tmp_path / "overrides.d" / "course_lib.json")
    read, error = _get_overrides(str(tmp_path))
    assert (read, error) == (SETTINGS, "")
    (tmp_path / "overrides.json").write_text(
        '{"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": false}}', encoding="utf-8"
    )
    assert _get_overrides(str(tmp_path))[0]["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": False}

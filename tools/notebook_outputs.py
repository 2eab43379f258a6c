"""Outputs of an executed notebook, made the same for every run and fit to be published."""

import base64
import io
import json
import os
import re
import struct
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from PIL import Image

from tools.notebook_source import NotebookError, describe

VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
PROGRESS = re.compile(r"\d%\|.*\||\bit/s\b|\bs/it\b|it \[")
FINISHED_BAR = {"text/html": ""}
MOST_DPI = 100


def clean(notebook: NotebookNode, root: Path) -> None:
    """Remove what differs from run to run, write the alt texts, and refuse what no reader should get.

    Raises:
        NotebookError: a picture without alt text or the reverse, a picture over 100 dpi, an error, a message on
            stderr, a machine path or a memory address.
    """
    widgets: dict[str, Any] = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    shown: list[str] = []
    problems: list[str] = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        views = [o.data[VIEW]["model_id"] for o in cell.outputs if VIEW in o.get("data", {})]
        gone = {view for view in views if view not in widgets or is_progress(view, widgets)}
        finished = any(o.get("data") == FINISHED_BAR for o in cell.outputs)
        cell.outputs = [o for o in cell.outputs if not is_leftover(o, gone)]
        reachable = [model for view in views if view not in gone for model in tree(view, widgets)]
        shown += [model for model in reachable if model not in shown]
        inner = [o for model in reachable for o in widgets[model]["state"].get("outputs", [])]
        for model in reachable:
            if "msg_id" in widgets[model]["state"]:
                widgets[model]["state"]["msg_id"] = ""
        found = cell_problems([*cell.outputs, *inner], cell.metadata.get("alt", ""), root)
        if (gone or finished) and "nbval-check-output" in cell.metadata.get("tags", []):
            found.append("a cell with a progress bar cannot be tagged nbval-check-output")
        problems += [f"{describe(cell, number)}: {problem}" for problem in found]
    if problems:
        raise NotebookError("\n".join(problems))
    rename_widgets(notebook, widgets, shown)


def cell_problems(outputs: list[Any], alt: str, root: Path) -> list[str]:
    """Give every picture its alt text; return what is wrong with the outputs of one cell."""
    images = [o for o in outputs if "image/png" in o.get("data", {})]
    problems = []
    if len(images) > 1:
        problems.append(f"it makes {len(images)} pictures; one figure a cell")
    own = [o for o in images if o["metadata"].get("image/png", {}).get("alt")]  # an explorer describes itself
    if images and not alt and not own:
        problems.append('its picture has no alt text: write `# %% alt="…"`')
    if alt and not images:
        problems.append("it has alt text but makes no picture")
    if images and any(o["output_type"] == "execute_result" and o not in images for o in outputs):
        problems.append("its last value is shown as text beside the picture: assign it (a final `;` is formatted away)")
    for output in images:
        if output not in own:
            output["metadata"].setdefault("image/png", {})["alt"] = alt
        output["data"]["image/png"] = smaller(output["data"]["image/png"])
        if (dpi := png_dpi(base64.b64decode(output["data"]["image/png"]))) > MOST_DPI + 0.5:
            problems.append(f"its picture has {dpi:.0f} dpi; {MOST_DPI} at most")
    for output in outputs:
        if output["output_type"] == "error":
            problems.append(f"it stores the error {output['ename']}; catch the exception and print its message")
        if output.get("name") == "stderr":
            problems.append(f"it writes to stderr: {output['text'].strip()[:200]}")
    texts = [json.dumps({k: v for k, v in o.items() if k != "metadata"}, ensure_ascii=False) for o in outputs]
    for leak in (*machine_folders(root), "/ipykernel_"):
        if any(json.dumps(leak, ensure_ascii=False)[1:-1] in text for text in texts):
            problems.append(f"its output shows a path of this machine ({leak})")
    if any(re.search(r" at 0x[0-9a-f]+>", text) for text in texts):
        problems.append("its output shows a memory address, which changes from run to run")
    return problems


def machine_folders(root: Path) -> list[str]:
    """How paths of this machine begin: in the project, and in the home folder if there is one of its own."""
    try:
        home = Path(Path.home())
    except RuntimeError:  # nobody knows a home
        return [f"{root}"]
    return [f"{root}", f"{home}{os.sep}"] if home != Path(home.anchor) else [f"{root}"]


def is_leftover(output: Any, gone: set[str]) -> bool:
    """A progress bar's text, what a finished one leaves, or the view of a widget that is closed or a progress bar."""
    if output.get("data") == FINISHED_BAR:
        return True
    if output.get("name") == "stderr":
        return not re.sub(r"[\r\n]", "", output["text"]).strip() or bool(PROGRESS.search(output["text"]))
    return output.get("data", {}).get(VIEW, {}).get("model_id") in gone


def tree(model: str, widgets: dict[str, Any]) -> list[str]:
    """The widget and all that it refers to, each once, in a fixed order."""
    found: list[str] = []
    waiting = [model]
    while waiting:
        name = waiting.pop(0)
        if name in widgets and name not in found:
            found.append(name)
            state = json.dumps(widgets[name]["state"], sort_keys=True)
            waiting += re.findall(r"IPY_MODEL_(\w+)", state)
    return found


def is_progress(model: str, widgets: dict[str, Any]) -> bool:
    """True for a tqdm bar: a box around a FloatProgress."""
    return any(widgets[name]["model_name"] == "FloatProgressModel" for name in tree(model, widgets))


def rename_widgets(notebook: NotebookNode, widgets: dict[str, Any], shown: list[str]) -> None:
    """Keep the widgets that a cell shows, and the links between them, under running numbers."""
    for name in widgets:
        parts = tree(name, widgets)
        if "Link" in widgets[name]["model_name"] and len(parts) > 1 and set(parts[1:]) <= set(shown):
            shown.append(name)
    kept = {name: widgets[name] for name in shown}
    if not kept:
        notebook.metadata.pop("widgets", None)
        return
    text = json.dumps(kept)
    for number, name in enumerate(shown, start=1):
        text = text.replace(name, f"{number:032x}")
    notebook.metadata.widgets = {STATE: {"state": json.loads(text), "version_major": 2, "version_minor": 0}}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                view = output["data"][VIEW]
                number = shown.index(view["model_id"]) + 1
                view["model_id"] = f"{number:032x}"


def smaller(picture: str) -> str:
    """The PNG with a palette of 256 colours, which the eye cannot tell from the original at a third of the size."""
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    buffer = io.BytesIO()
    paletted = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    paletted.save(buffer, "PNG", optimize=True, dpi=image.info.get("dpi", (MOST_DPI, MOST_DPI)))
    return base64.b64encode(min(buffer.getvalue(), base64.b64decode(picture), key=len)).decode()


def png_dpi(data: bytes) -> float:
    """Dots per inch that a PNG declares; 0 if it declares none."""
    at = data.find(b"pHYs")
    return struct.unpack(">I", data[at + 4 : at + 8])[0] * 0.0254 if at > 0 else 0.0

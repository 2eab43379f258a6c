"""The saved states of widgets, when the outputs of two notebooks come together in one."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode, from_dict

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
MODEL = re.compile(r"[0-9a-f]{32}")


def states(notebook: NotebookNode) -> dict[str, Any]:
    """The saved models by name; none where the file holds something else in their place."""
    found: Any = notebook.metadata
    for name in ("widgets", STATE, "state"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def views(cell: NotebookNode) -> set[str]:
    """The widgets that a cell's outputs show."""
    shown = [output.data[VIEW] for output in cell.get("outputs", []) if VIEW in output.get("data", {})]
    return {str(view.get("model_id")) if isinstance(view, dict) else str(view) for view in shown}


def connected(names: set[str], models: dict[str, Any]) -> set[str]:
    """Those models and all that they refer to or are referred to by: children, layouts, links."""
    refers = {name: set(MODEL.findall(json.dumps(model))) & set(models) for name, model in models.items()}
    found, waiting = set(), set(names) & set(models)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= (refers[name] | {other for other, used in refers.items() if name in used}) - found
    return found


def carry_over(cells: Sequence[NotebookNode], mine: NotebookNode, target: NotebookNode) -> None:
    """Add to `target` the states of widgets of `mine` that the outputs of `cells` show.

    Both may use one name for two different widgets: then those of `mine` get new names, in the outputs too.
    """
    models, present = states(mine), dict(states(target))
    used = connected(set().union(*map(views, cells)), models)
    if not used:
        return
    clashes = used & set(present)
    if all(models[name] == present[name] for name in clashes):
        clashes = set()
    named = {name: hashlib.sha256(f"{name}{json.dumps(models[name])}".encode()).hexdigest()[:32] for name in clashes}

    def renamed(value: Any) -> Any:
        return json.loads(MODEL.sub(lambda match: named.get(match[0], match[0]), json.dumps(value)))

    for cell in cells:
        if views(cell) & clashes:
            cell.outputs = from_dict(renamed(cell.outputs))
    present |= {named.get(name, name): renamed(models[name]) for name in sorted(used)}
    target.metadata.widgets = from_dict({STATE: {"state": present, "version_major": 2, "version_minor": 0}})

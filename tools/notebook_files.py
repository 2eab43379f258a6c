"""Notebooks as learners' programs leave them, read with care, and written as valid ones."""

import json
from difflib import SequenceMatcher
from uuid import uuid4

import nbformat
from nbformat import NotebookNode

CONFLICT = (b"<<<<<<< ", b"\n<<<<<<< ")


class Unreadable(Exception):
    """A file that is no notebook; the message says why."""


def parse(content: bytes) -> NotebookNode:
    """The notebook in a file's bytes; its cells may lack ids.

    Raises:
        Unreadable: cut off, with conflict marks of git, of another format, or no notebook at all.
    """
    if content.startswith(CONFLICT[0]) or CONFLICT[1] in content:
        raise Unreadable("it has conflict marks (<<<<<<<) of git")
    if not content.strip():
        raise Unreadable("it is empty")
    try:
        text = content.decode("utf-8-sig")
        raw = json.loads(text)
        if not isinstance(raw, dict) or raw.get("nbformat") != 4:
            raise Unreadable("it is no notebook of format 4")
        notebook = nbformat.v4.reads(text)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.setdefault("outputs", [])
                cell.setdefault("execution_count", None)
        numbered = [cell | {"id": f"c{i}"} for i, cell in enumerate(notebook.cells)]  # ids are given later
        trial = nbformat.from_dict({**notebook, "nbformat_minor": 5, "cells": numbered})
        nbformat.validate(trial)
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8 text") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable("it is cut off or damaged") from error
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unreadable("it is no valid notebook") from error
    return notebook


def dump(notebook: NotebookNode) -> bytes:
    """The bytes of a valid notebook."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def give_ids(notebook: NotebookNode, like: NotebookNode) -> None:
    """Give every cell an id of its own; where a program (Colab) dropped them all, those of `like` come back."""
    mine, theirs = notebook.cells, like.cells
    if not any("id" in cell for cell in mine):
        keys = [[(cell.cell_type, cell.source) for cell in cells] for cells in (mine, theirs)]
        for kind, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
            if kind == "equal" or (kind == "replace" and b - a == d - c):
                for cell, other in zip(mine[a:b], theirs[c:d], strict=True):
                    if cell.cell_type == other.cell_type:
                        cell.id = other.id
    seen: set[str] = set()
    for cell in mine:
        if "id" not in cell or cell.id in seen:
            cell.id = uuid4().hex[:12]
        seen.add(cell.id)
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)

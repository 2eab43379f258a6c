"""Notebooks as learners' programs leave them, read with care, and written as valid ones."""

import json
import re
from difflib import SequenceMatcher
from uuid import uuid4

import nbformat
from nbformat import NotebookNode

from tools.cell_ids import is_as_built

CONFLICT = (b"<<<<<<< ", b"\n<<<<<<< ")

VALID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # the ids that the format allows


class Unreadable(Exception):
    """A file that is no notebook; the message says why."""


def parse(content: bytes) -> NotebookNode:
    """The notebook in a file's bytes; its cells may lack ids, and ids that the format forbids are dropped.

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
        if not isinstance(raw, dict) or raw.get("nbformat") != 4 or not isinstance(raw.get("nbformat_minor"), int):
            raise Unreadable("it is no notebook of format 4")
        json.dumps(raw, ensure_ascii=False).encode()  # half a letter (a lone surrogate) could not be written again
        notebook = nbformat.v4.reads(text)
        for cell in notebook.cells:
            if not (isinstance(cell.get("id"), str) and VALID.fullmatch(cell.id)):
                cell.pop("id", None)
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
    """Give every cell a valid id of its own; a cell with the text of one of `like` gets the id of that one, if free.

    Programs drop ids (Colab), double them, or change them when a cell is cut out and put back.
    """
    mine, theirs = notebook.cells, like.cells
    keys, original = [[(cell.cell_type, cell.source) for cell in cells] for cells in (mine, theirs)]
    text_of = dict(zip([cell.id for cell in theirs], original, strict=True))
    nameless = not any("id" in cell for cell in mine)
    built = {i for i, cell in enumerate(mine) if is_as_built(cell)}
    owner: dict[str, int] = {}
    for i, cell in enumerate(mine):
        name = cell.pop("id", None)
        if name is not None:
            first = owner.setdefault(name, i)
            if keys[i] == text_of.get(name) != keys[first]:  # of two with one id, the untouched cell keeps it
                owner[name] = i
    names = {i: name for name, i in owner.items()}

    def adopt(i: int, name: str) -> None:
        if names.get(i) not in text_of and name not in owner and not (i in built and i in names):
            names[i], owner[name] = name, i

    blocks = SequenceMatcher(None, keys, original, autojunk=False).get_opcodes()
    pairs = [pair for _, a, b, c, d in blocks if b - a == d - c for pair in zip(range(a, b), range(c, d), strict=True)]
    places: dict[tuple[str, str], list[int]] = {}
    for i, text in enumerate(keys):
        places.setdefault(text, []).append(i)
    elsewhere = [(i, j) for j, text in enumerate(original) for i in places.get(text, [])]
    for i, j in [pair for pair in pairs if keys[pair[0]] == original[pair[1]]] + elsewhere:
        adopt(i, theirs[j].id)
    for i, j in pairs if nameless else []:
        if keys[i][0] == original[j][0]:
            adopt(i, theirs[j].id)
    for i, cell in enumerate(mine):
        cell.id = names.get(i) or uuid4().hex[:12]
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)

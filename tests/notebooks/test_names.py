"""One name, one thing: whatever a learner ran last, each cell finds the names that it found at first."""

import pytest

from tests.notebooks.names import reused
from tests.notebooks.sources import cells_of, each_source
from tools.notebook_source import split_solution


@each_source
def test_no_cell_takes_a_name_that_it_or_a_later_cell_binds_anew(path):
    assert reused([split_solution(cell.source)[1] for cell in cells_of(path, "code")]) == []


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["x = 1", "print(x)", "x = {}"], "x"),
        (["x = 1", "x = x + 1"], "x"),
        (["x = 1", "x += 1"], "x"),
        (["x = 1", "x |= {}"], "x"),
        (["x = 1", "print([x for _ in range(3)])", "for x in 'ab': pass"], "x"),
        (["x = 1", "def f():\n    return x", "f()", "with open('a') as x: pass"], "x"),
        (["x = 1\ndef f():\n    return x", "f()", "import numpy as x"], "x"),
        (["x = 1\ndef f():\n    return x\ndef g():\n    return f()", "g()", "x = 2"], "x"),
        (["x = 1", "y = lambda z: x * z", "def x(): pass"], "x"),
    ],
    ids=lambda value: " ; ".join(value) if isinstance(value, list) else value,
)
def test_a_name_with_a_second_meaning_is_found(cells, name):
    assert any(f" takes {name} from cell 1; " in line for line in reused(cells))


@pytest.mark.parametrize(
    "cells",
    [
        ["x = 1", "print(x)", "y = x"],
        ["x = 1\nprint(x)", "x = 2\nprint(x)"],
        ["x = 1", "print(x)", "print([x for x in range(3)])"],
        ["x = 1", "print(x)", "def f(x):\n    x = x + 1\n    return x"],
        ["x = 1", "print(x)", "f = lambda x: x"],
        ["error = 1", "print(error)", "try:\n    pass\nexcept ValueError as error:\n    print(error)"],
        ["def f():\n    return x\nx = 1", "f()"],
    ],
    ids=" ; ".join,
)
def test_a_name_with_one_meaning_is_allowed(cells):
    assert reused(cells) == []

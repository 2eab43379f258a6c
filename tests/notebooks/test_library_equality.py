"""Code that a cell teaches and the library keeps is the same code."""

import ast
import importlib.util

import pytest

from tests.notebooks.sources import SOURCES, cells_of

TAUGHT = [
    pytest.param(cell.source, name, id=f"{path.stem}-{name.split(':')[1]}")
    for path in SOURCES
    for cell in cells_of(path, "code")
    for name in cell.metadata.get("library", "").split()
]
DEFINITIONS = ast.FunctionDef | ast.ClassDef


def essence(code: str, name: str) -> str:
    """The definition of `name` without docstrings, argument annotations and decorators."""
    found = [node for node in ast.parse(code).body if isinstance(node, DEFINITIONS) and node.name == name]
    assert found, f"{name} is not defined here"
    for node in ast.walk(found[-1]):
        if isinstance(node, DEFINITIONS):
            node.decorator_list = []
            node.body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(found[-1])


def library_code(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no module {module}"
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize(("source", "target"), TAUGHT)
def test_the_cell_and_the_library_are_equal(source, target):
    module, name = target.split(":")
    assert essence(source, name) == essence(library_code(module), name)


LIBRARY = (
    '@jax.jit\ndef f(x: Float[Array, "n"], scale: float = 2.0) -> Array:\n    """Doc."""\n    return scale * x + 1\n'
)


def test_words_annotations_and_decorators_do_not_count():
    assert essence("# taught\ndef f(x, scale=2.0):\n    return scale * x + 1", "f") == essence(LIBRARY, "f")


@pytest.mark.parametrize(("old", "new"), [("+ 1", "- 1"), ("=2.0", "=1.0"), ("scale * x", "x * scale"), ("(x,", "(y,")])
def test_any_other_difference_is_found(old, new):
    cell = "def f(x, scale=2.0):\n    return scale * x + 1"
    assert essence(cell.replace(old, new), "f") != essence(LIBRARY, "f")


def test_a_name_that_is_not_there_is_found():
    with pytest.raises(AssertionError, match="g is not defined"):
        essence(LIBRARY, "g")
    with pytest.raises(AssertionError, match="no module"):
        library_code("course_lib.nowhere")

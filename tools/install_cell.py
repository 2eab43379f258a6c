"""The first code cell of a notebook that left the course's folder (Colab, a download): it brings the course along."""

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools.repository import Repository

CODE = """\
# For a notebook without its course (Colab, a download): installs the course.
import importlib.util

if importlib.util.find_spec("course_lib") is None:
    print("Installing the course: this takes minutes, once.")
    %pip install --quiet "{requirement}"
    importlib.invalidate_caches()
    if importlib.util.find_spec("course_lib") is None:
        raise ImportError(
            "The course could not be installed. Get the whole: "
            "`git clone {address}`, "
            "then `make lab` in its folder."
        )
    print("Done. Should the next cell fail, restart the kernel and run again.")"""


def install_cell(found: Repository) -> NotebookNode:
    """Folded in JupyterLab, where hardly anybody needs it; left out of the website."""
    code = CODE.format(address=found.address, requirement=found.requirement)
    return new_code_cell(code, metadata={"tags": ["install"], "jupyter": {"source_hidden": True}})

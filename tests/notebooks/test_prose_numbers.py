"""What the prose states is what the cells print: a number that drifts from its cell fails here."""

import nbformat

from tests.notebooks.sources import each_source
from tools.notebook_digest import ROOT
from tools.notebook_source import read_source
from tools.prose_numbers import untied


@each_source
def test_every_number_in_prose_is_tied_to_a_cell(path):
    built = nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", as_version=4)
    assert untied(read_source(path), built.cells) == []

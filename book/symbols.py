"""`{symbols}`: the table of symbols, made from symbols.yml."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.symbols import LIST, pages, symbols, table


class Symbols(SphinxDirective):
    """All entries, each with links to the chapters that use the symbol so."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(LIST))
        return self.parse_text_to_nodes(table(symbols(), pages()))


def setup(app: Sphinx) -> dict:
    app.add_directive("symbols", Symbols)
    return {"parallel_read_safe": True}

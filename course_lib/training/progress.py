"""The progress bar of a run: in a notebook an output that is written anew, elsewhere tqdm's line of text."""

import html
import io
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display
from tqdm import tqdm


class NotebookBar(tqdm):
    """tqdm in one output of the cell.

    tqdm's own bar for notebooks is a widget: a saved notebook keeps its place but not the widget, and shows an error
    there when it is opened again. This output is HTML, and empty once the bar is closed.
    """

    def __init__(self, **options: Any):
        self.shown: Any = None
        text = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
        super().__init__(file=io.StringIO(), ncols=100, bar_format=text, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        text = html.escape(str(self)) if msg is None else html.escape(msg)
        bar = (
            f'<progress max="{self.total or 1}" value="{self.n}" aria-label="progress"></progress> <code>{text}</code>'
        )
        output = {"text/html": bar if text else ""}
        if self.shown is not None:
            self.shown.update(output, raw=True)
        elif text:
            self.shown = display(output, raw=True, display_id=True)


def progress_bar(**options: Any) -> tqdm:
    """A bar that suits the place: `options` are tqdm's; closed with `leave=False` it leaves nothing to be read."""
    shell = get_ipython()
    in_notebook = shell is not None and hasattr(shell, "kernel")
    return NotebookBar(**options) if in_notebook else tqdm(**options)

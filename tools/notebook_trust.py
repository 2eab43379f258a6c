"""Notebooks are marked as trusted, so that JupyterLab shows the figures and widgets in them at once."""

from contextlib import suppress
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir
from nbformat import NotebookNode
from nbformat.sign import NotebookNotary


class Trust:
    """Jupyter's own list of trusted notebooks. Without it the course works, so no trouble with it is an error."""

    def __init__(self):
        self.problem = ""
        self.notary: NotebookNotary | None = None
        try:
            Path(jupyter_data_dir()).mkdir(parents=True, exist_ok=True)
            self.notary = NotebookNotary()
            self.notary.store  # noqa: B018 - opens the database now
        except Exception as error:
            self._failed(error)

    def sign(self, notebook: NotebookNode) -> None:
        if self.notary is not None and not self.problem:
            try:
                self.notary.sign(notebook)
            except Exception as error:
                self._failed(error)

    def is_signed(self, notebook: NotebookNode) -> bool:
        if self.notary is not None and not self.problem:
            try:
                return self.notary.check_signature(notebook)
            except Exception as error:
                self._failed(error)
        return False

    def close(self) -> None:
        if self.notary is not None:
            with suppress(Exception):
                self.notary.store.close()

    def _failed(self, error: Exception) -> None:
        self.problem = (
            f"The notebooks could not be marked as trusted ({error}); "
            "if figures are missing in one, choose Trust Notebook in the command palette (Ctrl Shift C)"
        )

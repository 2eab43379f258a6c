"""Checkpoints: one safetensors file, written whole or not at all, and checked before it is used."""

import errno
import hashlib
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path, tree_map_with_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

WRITING_SHARE = 0.05  # at most this part of the time goes into writing


class CheckpointError(ValueError):
    """A checkpoint that is damaged, foreign, or of another run."""


def is_key(leaf: Any) -> bool:
    """True for an array of typed random keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def named_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Every leaf under its path: random keys as their data, bfloat16 and the like as their bits."""
    arrays = {}
    for path, leaf in tree_leaves_with_path(tree):
        array = np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)
        arrays[keystr(path)] = array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array
    return arrays


def like(template: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `named_arrays`: the structure and dtypes of `template` with the values of `arrays`."""

    def rebuild(path: Any, leaf: Any) -> Any:
        array = arrays[keystr(path)]
        if is_key(leaf):
            return jax.random.wrap_key_data(jnp.array(array), impl=jax.random.key_impl(leaf))
        return jnp.array(array.view(leaf.dtype)) if isinstance(leaf, jax.Array) else array

    return tree_map_with_path(rebuild, template)


def digest(arrays: dict[str, np.ndarray], text: str = "") -> str:
    """SHA-256 of `text` and of names, dtypes, shapes and values."""
    result = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        result.update(f"{name} {array.dtype} {array.shape}".encode())
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


def settings(sizes: dict[str, Any], contents: dict[str, Any], state: Any, program: str) -> dict[str, str]:
    """What a run is made of, in words for an error message: contents and program by digest, state by shape."""

    def shapes(tree: Any) -> dict[str, str]:
        return {keystr(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in tree_leaves_with_path(tree)}

    made_of = {name: str(value) for name, value in sizes.items()}
    for name, tree in contents.items():
        made_of[name] = f"{', '.join(shapes(tree).values()) or 'nothing'} (digest {digest(named_arrays(tree))[:12]})"
    made_of |= {f"state{path}": shape for path, shape in shapes(state).items()}
    return made_of | {"program (loss, layers, optimizer or library versions)": digest({}, program)[:12]}


class Checkpoint:
    """The folder of one run: the newest checkpoint, and the one before it in case the newest is damaged."""

    def __init__(self, folder: str | Path, run: dict[str, str]):
        self.folder, self.run = Path(folder), run
        self.folder.mkdir(parents=True, exist_ok=True)
        self.latest, self.previous = self.folder / "latest.safetensors", self.folder / "previous.safetensors"
        self.saved, self.seconds = time.monotonic(), 0.0

    def save(self, tree: Any, at_once: bool) -> None:
        """Write `tree` if it is time to, or `at_once`.

        Raises:
            OSError: it could not be written (a full disk); the checkpoints that were there are whole.
        """
        begin = time.monotonic()
        if (begin - self.saved) * WRITING_SHARE < self.seconds and not at_once:
            return
        arrays, text = named_arrays(tree), json.dumps(self.run)
        content = to_bytes(arrays, {"run": text, "digest": digest(arrays, text)})
        try:
            self._put(content)
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                f"The checkpoint ({len(content) / 1e6:.1f} MB) could not be written to {self.folder}: "
                f"{error.strerror or error}. Free space for two of them there, or name another folder, and call fit "
                "again: it goes on from the last checkpoint that was written.",
            ) from error
        self.saved = time.monotonic()
        self.seconds = self.saved - begin

    def _put(self, content: bytes) -> None:
        """Make `content` the newest checkpoint in one step, and the newest that was the one before."""
        part = self.folder / "unfinished.part"
        try:
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if self.latest.exists():
                os.replace(self.latest, self.previous)
            os.replace(part, self.latest)
        finally:
            part.unlink(missing_ok=True)

    def read(self, path: Path) -> dict[str, np.ndarray]:
        """The arrays of one file, or an error: damaged, foreign, or of another run."""
        mend = f"Delete {self.folder} to start afresh, or name another folder."
        try:
            with safe_open(path, "numpy") as file:
                found, arrays = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is damaged ({error}). {mend}") from error
        if found.keys() != {"run", "digest"}:
            raise CheckpointError(f"{path} was not written by training.fit. {mend}")
        if digest(arrays, found["run"]) != found["digest"]:
            raise CheckpointError(f"{path} is damaged (wrong checksum). {mend}")
        was, now = json.loads(found["run"]), self.run
        differ = [f"{k} was {was.get(k)}, now {now.get(k)}" for k in {**was, **now} if was.get(k) != now.get(k)]
        if differ:
            raise CheckpointError(f"{path} belongs to another run: {'; '.join(differ[:4])}. {mend}")
        return arrays

    def load(self, template: Any) -> Any:
        """The newest good checkpoint in the structure of `template`; `template` itself if there is none yet."""
        problem = None
        for path in filter(Path.exists, [self.latest, self.previous]):
            try:
                arrays = self.read(path)
            except CheckpointError as error:
                problem = problem or error
                continue
            if problem:
                warnings.warn(f"{problem} Continuing from {path.name}.", stacklevel=3)
            os.replace(path, self.latest)
            return like(template, arrays)
        if problem:
            raise problem
        return template

"""Where the tests keep compiled programs, as the notebooks keep theirs.

Two tests that compile the same program, be it in two processes or on two days, compile it once. `make clean` empties
the folder.
"""

import sys
from pathlib import Path

import jax

FOLDER = Path(__file__).parents[1] / "build" / "compiled" / "python{}.{}".format(*sys.version_info)
SETTINGS = {
    "jax_compilation_cache_dir": str(FOLDER),
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
ENVIRONMENT = {name.upper(): str(value) for name, value in SETTINGS.items()}  # for a process that a test starts


def keep_compiled() -> None:
    """From now on this process keeps what it compiles."""
    for name, value in SETTINGS.items():
        jax.config.update(name, value)

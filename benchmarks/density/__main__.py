"""Test log-likelihood of many models on one binary data set: `python -m benchmarks.density FILE.npz`.

FILE holds `train`, `valid` and `test` (0 and 1). Every choice is made on `valid`, by the same rules for every file;
`test` is read once for each model. Models train on `train` alone. Units: nats.

The minutes are shared out among the models; one that the clock cuts short is marked * and reports what it has. Two runs
with the same seed print the same numbers for every model that is not marked, as long as the library versions agree.
≤ marks a bound. "new rows" is the mean over the test rows that do not also occur in `train`.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence

from benchmarks.arguments import folder, new_file, positive, readable_file, seed
from benchmarks.density.classical import bernoulli, chow_liu, mixtures, parzen
from benchmarks.density.data import load_binary
from benchmarks.density.latent import darn
from benchmarks.density.logistic import everything, experts, fvsbn, fvsbn_orders
from benchmarks.density.mnist import MNIST_RECIPES, load_mnist
from benchmarks.density.networks import NETWORKS
from benchmarks.density.run import HEADER, Run, dumps, line
from course_lib.command import run_command

# name: (recipe, its share of the time)
RECIPES = {
    "bernoulli": (bernoulli, 0.5),
    "chow-liu": (chow_liu, 1),
    "mixture": (mixtures, 4),
    "parzen": (parzen, 3),
    "fvsbn": (fvsbn, 16),
    "fvsbn-orders": (fvsbn_orders, 8),
    "experts": (experts, 26),
    **NETWORKS,
    "darn": (darn, 8),
    "all": (everything, 1),
}


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=readable_file, help="an .npz file with train, valid and test")
    parser.add_argument(
        "--mnist", type=readable_file, metavar="FILE", help="instead: mnist.npz, with dynamic binarization"
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", help=(
        f"which, of {', '.join(RECIPES)}; with --mnist: {', '.join(MNIST_RECIPES)} "
        "(default: all but pixelcnn, which takes hours)"))  # fmt: skip
    parser.add_argument("--minutes", type=positive, help="time for everything (default: 15; with --mnist: 40)")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--checkpoint", type=folder, metavar="FOLDER", help="where pixelcnn saves its epochs and goes on from"
    )
    parser.add_argument("--json", type=new_file, help="write the JSON lines to this file too")
    args = parser.parse_args(argv)
    if (args.file is None) == (args.mnist is None):
        parser.error("name one file: FILE.npz, or --mnist mnist.npz.")
    args.minutes = args.minutes if args.minutes is not None else (15.0 if args.mnist is None else 40.0)
    args.recipes = RECIPES if args.mnist is None else MNIST_RECIPES
    args.models = args.models or [name for name in args.recipes if name != "pixelcnn"]  # which takes hours
    if unknown := [name for name in args.models if name not in args.recipes]:
        parser.error(f"no model is called {', '.join(unknown)}; choose from {', '.join(args.recipes)}.")
    if args.models == ["all"]:
        parser.error("all is a mixture of the other models; name at least one of them as well.")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipes one after the other and print the table, then the JSON lines."""
    args = arguments(argv)
    logging.getLogger("jax").setLevel(logging.ERROR)
    try:
        data = load_binary(args.file) if args.mnist is None else load_mnist(args.mnist)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    end = time.monotonic() + 60 * args.minutes * 0.97
    known = int((~data.new).sum())
    print(f"{data.name}: {len(data.train)} + {len(data.valid)} + {len(data.test)} rows of {data.num_inputs} bits; "
          f"{known} test rows ({known / len(data.test):.1%}) also occur in train.\n{HEADER}")  # fmt: skip
    run, records = Run(data, args.seed, end, shared={"checkpoint": args.checkpoint}), []
    chosen = [name for name in args.recipes if name in args.models]
    for i, name in enumerate(chosen):
        if name == "all" and not run.rows:
            continue
        if time.monotonic() > end and run.rows and name != "all":
            print(f"{name:22} skipped: no time left", flush=True)
            continue
        recipe, share = args.recipes[name]
        begin, cpu = time.monotonic(), time.process_time()
        run.deadline = begin + (end - begin) * share / sum(args.recipes[other][1] for other in chosen[i:])
        row = recipe(run)
        row.seconds, row.cpu_seconds = time.monotonic() - begin, time.process_time() - cpu
        if name == "all":
            row.seconds, row.cpu_seconds = (row.seconds + sum(r.seconds for r in run.rows),
                                            row.cpu_seconds + sum(r.cpu_seconds for r in run.rows))  # fmt: skip
        run.rows.append(row)
        records.append(row.record(data, args.seed))
        print(line(records[-1]), flush=True)
    print("\n".join(map(dumps, records)))
    if args.json:
        args.json.write_text("".join(dumps(record) + "\n" for record in records), encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)

"""Flows against the truth and against other libraries: `python -m benchmarks.flows [PART ...]`.

toy      spline flows on six densities in the plane: the test likelihood less the true entropy, in nats
digits   8×8 digits of 17 grey levels, bits per pixel; settings are chosen on validation
mnist    MAF(5) in the MAF paper's preprocessing, bits per pixel; needs --mnist FILE and hours (see --checkpoint)
speed    a training step and sampling by turns with flowjax, distrax, bijx and, if installed, PyTorch
compile  time to compile the training step of flows of 4 and of 32 layers

The minutes are shared out among the parts; a training that the clock cuts short is marked * and reports what it has.
Test data are read once for each row. Ratios are of medians within one run.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.arguments import folder, new_file, positive, readable_file, seed
from benchmarks.flows.compiling import compile_times
from benchmarks.flows.images import digits
from benchmarks.flows.mnist import load_levels, mnist
from benchmarks.flows.run import Record, Run, dumps, header, line
from benchmarks.flows.speed import speed
from benchmarks.flows.toy import toy
from course_lib.command import run_command

# name: (part, its share of the time)
PARTS: dict[str, tuple[Callable[[Run], Iterator[Record]], float]] = {
    "toy": (toy, 6), "digits": (digits, 8), "mnist": (mnist, 60), "speed": (speed, 10), "compile": (compile_times, 3),
}  # fmt: skip


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=(
        f"which, of {', '.join(PARTS)} (default: all; mnist only with --mnist)"))  # fmt: skip
    parser.add_argument("--minutes", type=positive, default=30.0, help="time for everything (default: 30)")
    parser.add_argument("--mnist", type=readable_file, metavar="FILE", help="mnist.npz, for the part mnist")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--checkpoint", type=folder, metavar="FOLDER", help="where mnist saves its epochs, to go on from"
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the JSON lines to this file too")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.parts if name not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; choose from {', '.join(PARTS)}.")
    if "mnist" in args.parts and args.mnist is None:
        parser.error("the part mnist needs its images: --mnist FILE.")
    args.parts = [name for name in PARTS if name in (args.parts or [n for n in PARTS if n != "mnist" or args.mnist])]
    if args.checkpoint is not None and "mnist" not in args.parts:
        parser.error("--checkpoint belongs to the part mnist: name it, with --mnist FILE.")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts one after the other: a table each, then all JSON lines."""
    args = arguments(argv)
    logging.getLogger("jax").setLevel(logging.ERROR)
    if args.mnist is not None:
        try:
            load_levels(args.mnist)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    end, records = time.monotonic() + 60 * args.minutes * 0.97, []
    for i, name in enumerate(args.parts):
        part, share = PARTS[name]
        now = time.monotonic()
        deadline = now + max(end - now, 0.0) * share / sum(PARTS[other][1] for other in args.parts[i:])
        print(f"\n{header(name)}", flush=True)
        for record in part(Run(args.seed, deadline, args.mnist, args.checkpoint)):
            records.append(record)
            print(line(name, record), flush=True)
    print("\n" + "\n".join(map(dumps, records)))
    if args.json:
        args.json.write_text("".join(dumps(record) + "\n" for record in records), encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)

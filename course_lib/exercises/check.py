"""Feedback on a learner's answer, as lines of plain text."""

from types import TracebackType
from typing import Any

import numpy as np

from course_lib.exercises.progress import remember

_passed: dict[str, bool] = {}  # exercise → did its latest run pass


class Check:
    """What one exercise checks. Made by `exercise`; the report is printed when its `with` block ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.total = self.passed = self.missing = 0

    def close(self, what: str, got: Any, expected: Any, rtol: float = 1e-5, hint: str = "", atol: float = 1e-6) -> None:
        """Check `|got - expected| <= atol + rtol |expected|` in every entry, and equal shapes.

        Args:
            what: what is checked, as a short sentence.
            got: the learner's value; `None` or `...` counts as not attempted yet.
            expected: a number or an array; where it is NaN, NaN is expected.
            hint: shown when the check fails.
            atol: lower it when the expected values are themselves near 1e-6.
        """
        problem = [] if _is_missing(got) else _difference(got, np.asarray(expected), rtol, atol)
        self._record(what, got, problem, hint)

    def true(self, what: str, condition: Any, hint: str = "") -> None:
        """Check that `condition`, one value or an array of them, holds throughout."""
        values = np.asarray(condition)
        self._record(what, condition, [] if values.size and values.all() else ["this does not hold"], hint)

    def _record(self, what: str, got: Any, problem: list[str], hint: str) -> None:
        self.total += 1
        if _is_missing(got):
            self.missing += 1
            self.lines.append(f"  ○ {what}: not attempted yet")
        elif problem:
            self.lines += [f"  ✗ {what}", *(f"      {line}" for line in problem)]
            self.lines += [f"      hint: {hint}"] if hint else []
        else:
            self.passed += 1
            self.lines.append(f"  ✓ {what}")

    def __enter__(self) -> "Check":
        _passed[self.name] = False
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is not None and not isinstance(error, Exception):
            return False  # an interrupt is no answer
        # What an unanswered `...` leads to: a name missing in this very block, or arithmetic with None.
        undefined = isinstance(error, NameError) and trace is not None and trace.tb_next is None
        unanswered = undefined or any(word in str(error) for word in ("NoneType", "ellipsis"))
        _passed[self.name] = error is None and 0 < self.total == self.passed
        reason = f"not attempted yet ({error if undefined else 'the answer is still None'})"
        if self.missing == self.total and (unanswered or (error is None and self.total)):
            print(f"Exercise {self.name}: {reason}. Put your code in the place of ... above.")
            return True
        if unanswered:
            self.lines.append(f"  ○ the rest: {reason}")
        elif error is not None:
            self.lines += [f"  ✗ your code stopped with {type(error).__name__}:", f"      {error}"]
        if _passed[self.name]:
            remember(self.name)
        verdict = f"Passed so far: {self.passed} of {self.total}." if self.total else "Nothing could be checked."
        print(f"Exercise {self.name}", *self.lines, "All checks passed." if _passed[self.name] else verdict, sep="\n")
        return True


def exercise(name: str) -> Check:
    """Check the answers to one exercise: `with exercise("5.1") as check: check.close(...)`."""
    return Check(name)


def require_all_passed() -> None:
    """Raise AssertionError if an exercise checked so far did not pass, or none was checked."""
    failed = [name for name, passed in _passed.items() if not passed]
    if failed or not _passed:
        raise AssertionError(f"Exercises not passed: {', '.join(failed)}" if failed else "No exercise was checked.")


def _is_missing(got: Any) -> bool:
    return got is None or got is ... or (isinstance(got, list | tuple) and any(map(_is_missing, got)))


def _difference(got: Any, expected: np.ndarray, rtol: float, atol: float) -> list[str]:
    """Why `got` is not `expected`, or nothing when it is."""
    if callable(got):
        return [f"got the function {getattr(got, '__name__', '')}, expected a value: call it with its arguments"]
    try:
        values = np.asarray(got)
        numbers = values.astype(complex if values.dtype.kind == "c" else float)
        if values.dtype.kind in "USO":
            raise TypeError
    except (TypeError, ValueError):
        return [f"got {type(got).__name__}, expected {'an array of numbers' if expected.shape else 'a number'}"]
    if values.shape != expected.shape:
        return [f"got shape {values.shape}, expected {expected.shape}"]
    wrong = ~np.isclose(numbers, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return []
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f" (entry {where[0] if len(where) == 1 else where}; {wrong.sum()} of {wrong.size} differ)" if where else ""
    got_there, expected_there = numbers[where], expected[where]
    digits = next((d for d in (4, 6, 9) if f"{got_there:.{d}g}" != f"{expected_there:.{d}g}"), 17)
    return [f"got      {got_there:.{digits}g}{place}", f"expected {expected_there:.{digits}g}"]

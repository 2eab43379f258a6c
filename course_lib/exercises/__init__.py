"""Exercises that check themselves: what came, what was expected, a hint; never an exception."""

from course_lib.exercises.check import Check, exercise, require_all_passed
from course_lib.exercises.progress import progress

__all__ = ["Check", "exercise", "progress", "require_all_passed"]

"""Exercises that check themselves: what came, what was expected, a hint; never an exception."""

from course_lib.exercises.check import Check, exercise, require_all_passed

__all__ = ["Check", "exercise", "require_all_passed"]

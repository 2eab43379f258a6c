"""Feedback must name what is wrong, never raise, and never pass an answer that is not right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from course_lib.exercises import check as module
from course_lib.exercises import exercise, require_all_passed


@pytest.fixture(autouse=True)
def _no_earlier_exercises(monkeypatch):
    monkeypatch.setattr(module, "_passed", {})


def report(capsys, got, expected, **options):
    with exercise("9.9") as check:
        check.close("the value", got, expected, **options)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (2.0, 2.0),
        (3, 3.0),
        (True, 1),
        (jnp.float32(0.1), 0.1),
        (jnp.asarray(1.5, jnp.bfloat16), 1.5),
        (np.array([1.0, np.nan]), [1.0, np.nan]),
        ([jnp.ones(()), jnp.zeros(())], jnp.array([1.0, 0.0])),
        (1 + 2j, 1 + 2j),
        (np.inf, np.inf),
        (np.zeros((0, 2)), np.zeros((0, 2))),
    ],
)
def test_right_answers_pass(capsys, got, expected):
    assert report(capsys, got, expected) == "Exercise 9.9\n  ✓ the value\nAll checks passed.\n"
    require_all_passed()


@pytest.mark.parametrize(
    ("got", "expected", "line"),
    [
        (1.0, 2.0, "got      1\n      expected 2\n"),
        (np.nan, 2.0, "got      nan"),
        (np.inf, 2.0, "got      inf"),
        (1.0, np.nan, "expected nan"),
        (jnp.ones(3), jnp.ones(2), "got shape (3,), expected (2,)"),
        (1.0, jnp.ones(1), "got shape (), expected (1,)"),
        (jnp.array([[1.0, 2.0], [3.0, 5.0]]), jnp.array([[1.0, 2.0], [3.0, 4.0]]), "entry (1, 1); 1 of 4 differ"),
        (jnp.array([0.0, 5.0]), jnp.array([0.0, 4.0]), "entry 1; 1 of 2 differ"),
        (1.0, 1.00003, "got      1\n      expected 1.00003"),
        (jnp.exp, 1.0, "got the function exp, expected a value"),
        (lambda: 1.0, 1.0, "got the function <lambda>"),
        ("1.0", 1.0, "got str, expected a number"),
        ((1, 2, (3, 4)), jnp.ones(3), "got tuple, expected an array of numbers"),
        (np.array([None, 1.0]), [1.0, 1.0], "got ndarray"),
        ({"a": 1}, 1.0, "got dict"),
        (1j, 0.0, "got      0+1j"),
    ],
)
def test_wrong_answers_fail_and_say_why(capsys, got, expected, line):
    text = report(capsys, got, expected, hint="Look again.")
    assert "✗ the value" in text
    assert line in text
    assert "hint: Look again." in text
    assert "Passed so far: 0 of 1." in text
    with pytest.raises(AssertionError, match=r"9\.9"):
        require_all_passed()


def test_a_key_is_no_number(capsys):
    assert "got PRNGKeyArray" in report(capsys, jax.random.key(0), 1.0)


def test_tolerances_decide(capsys):
    assert "✗" in report(capsys, 1e-8, 0.0, atol=1e-9)
    assert "✓" in report(capsys, 1e-8, 0.0)
    assert "✓" in report(capsys, 1.04, 1.0, rtol=0.05)


@pytest.mark.parametrize("missing", [None, ..., [None, 1.0], (1.0, ...)])
def test_a_missing_answer_is_not_attempted(capsys, missing):
    assert report(capsys, missing, 1.0).startswith("Exercise 9.9: not attempted yet (the answer is still None).")
    with pytest.raises(AssertionError):
        require_all_passed()


def unanswered():
    return None


@pytest.mark.parametrize(
    "body", [lambda: unanswered() + 1.0, lambda: jnp.exp(unanswered()), lambda: unanswered().shape, lambda: (...) * 2]
)
def test_arithmetic_with_a_missing_answer_is_not_attempted(capsys, body):
    with exercise("9.9") as check:
        check.close("the value", body(), 1.0)
    assert "not attempted yet (the answer is still None)" in capsys.readouterr().out


def test_a_name_not_defined_in_the_check_is_not_attempted(capsys):
    with exercise("9.9") as check:
        check.true("it is defined", not_there)
    assert "not attempted yet (name 'not_there' is not defined)" in capsys.readouterr().out


def test_a_name_not_defined_in_the_answer_is_an_error(capsys):
    def answer():
        return not_there + 1

    with exercise("9.9") as check:
        check.close("the value", answer(), 1.0)
    assert "✗ your code stopped with NameError:" in capsys.readouterr().out


def test_an_exception_is_reported_and_counts_as_failed(capsys):
    with exercise("9.9") as check:
        check.true("first", True)
        check.close("the value", 1 / 0, 1.0)
    text = capsys.readouterr().out
    assert "✓ first" in text
    assert "✗ your code stopped with ZeroDivisionError:\n      division by zero" in text
    with pytest.raises(AssertionError):
        require_all_passed()


def test_half_an_answer_shows_what_is_done(capsys):
    with exercise("9.9") as check:
        check.close("first", 1.0, 1.0)
        check.close("second", None, 1.0)
        check.close("third", unanswered() + 1, 1.0)
    text = capsys.readouterr().out
    assert "✓ first" in text
    assert "○ second: not attempted yet" in text
    assert "○ the rest: not attempted yet" in text
    assert "Passed so far: 1 of 2." in text


def test_interrupts_are_not_swallowed():
    with pytest.raises(KeyboardInterrupt), exercise("9.9"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("condition", [False, [], np.array([True, False]), jnp.array([[True], [False]])])
def test_true_rejects_what_does_not_hold_throughout(capsys, condition):
    with exercise("9.9") as check:
        check.true("it holds", condition, hint="Everywhere.")
    assert "✗ it holds\n      this does not hold\n      hint: Everywhere." in capsys.readouterr().out


def test_true_passes_and_sees_a_missing_answer(capsys):
    with exercise("9.8") as check:
        check.true("all", jnp.array([True, True]))
    with exercise("9.9") as check:
        check.true("missing", ...)
    text = capsys.readouterr().out
    assert "✓ all" in text
    assert "9.9: not attempted yet" in text


def test_an_empty_check_and_no_check_at_all_fail():
    with pytest.raises(AssertionError, match="No exercise was checked"):
        require_all_passed()
    with exercise("9.9"):
        pass
    with pytest.raises(AssertionError, match=r"Exercises not passed: 9\.9"):
        require_all_passed()


def test_the_latest_run_counts(capsys):
    report(capsys, 1.0, 2.0)
    report(capsys, 2.0, 2.0)
    require_all_passed()
    report(capsys, None, 2.0)
    with pytest.raises(AssertionError):
        require_all_passed()

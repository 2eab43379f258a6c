"""Quizzes, answers, hints and captions: what the builder makes of them, and what it refuses."""

import pytest

from tools.notebook_parts import PartError, answer, caption, fold_hints, quiz

QUIZ = """**Which is a bound on $-\\ln p(x)$?**

- [ ] $D+R/2$ :: Half of the rate is left out.
- [x] $D+2R$ :: Right: as $R\\ge 0$,
  so it only grows.
- [ ] Neither :: One of them is."""


def test_a_quiz_folds_each_choice_with_its_feedback():
    text = quiz(QUIZ, "quiz-9-1")
    assert text.startswith("**Quiz.** **Which is a bound")
    assert text.count('<details class="choice" name="quiz-9-1">') == 3
    assert "\n\n$D+2R$\n\n</summary>\n\n**✓ Right.** As $R\\ge 0$, so it only grows.\n\n</details>" in text
    assert text.count("**✗ Not quite.**") == 2


@pytest.mark.parametrize(
    ("markdown", "reason"),
    [
        ("- [x] a :: b\n- [ ] c :: d", "begins with its question"),
        ("Q\n\n- [x] a :: b", "two to five choices"),
        ("Q\n\n- [x] a :: b\n- [x] c :: d", "one of them right"),
        ("Q\n\n- [x] a :: b\n- [ ] c", "choice :: feedback"),
    ],
)
def test_a_quiz_that_does_not_answer_every_choice_is_refused(markdown, reason):
    with pytest.raises(PartError, match=reason):
        quiz(markdown, "q")


def test_hints_are_folded_and_numbered_and_the_rest_stays():
    one = fold_hints("Do it.\n\n**Hint.** Use $x$.\n\nThen stop.")
    assert one.startswith('Do it.\n\n<details class="hint">\n<summary>\n\nHint\n\n</summary>\n\nUse $x$.')
    assert one.endswith("</details>\n\nThen stop.")
    assert "Hint 2" in fold_hints("**Hint.** a\n\n**Hint.** b")
    assert fold_hints("No hint.\n\nNone.") == "No hint.\n\nNone."


def test_an_answer_and_a_caption():
    assert "Answer\n\n</summary>\n\nBecause.\n\n</details>" in answer("Because.\n")
    assert caption("See it.", "5b", 2) == (
        '<div class="caption" id="figure-5b-2">\n\n**Figure 5b.2.** See it.\n\n</div>'
    )

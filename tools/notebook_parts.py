"""What a source says in short, as a learner finds it: quizzes, answers and hints folded, captions numbered.

All of it is Markdown with `<details>`, which folds in JupyterLab and on the website without a script, works by
keyboard, and is there before any cell is run.
"""

import re

CHOICE = re.compile(r"- \[(?P<mark>[ x])\] (?P<choice>.+?) :: (?P<feedback>.+)", re.DOTALL)
VERDICT = {"x": "**✓ Right.**", " ": "**✗ Not quite.**"}


class PartError(ValueError):
    """A quiz, an answer or a hint that is not written as the builder expects it."""


def fold(kind: str, summary: str, text: str, group: str = "") -> str:
    """A part that opens when it is asked for. The blank lines let Markdown and formulas inside be read."""
    name = f' name="{group}"' if group else ""
    return f'<details class="{kind}"{name}>\n<summary>\n\n{summary}\n\n</summary>\n\n{text}\n\n</details>'


def quiz(markdown: str, group: str) -> str:
    """A question, then `- [ ] choice :: feedback` lines of which one is marked `[x]`: each choice unfolds its feedback.

    Raises:
        PartError: no question, fewer than two or more than five choices, not exactly one right, or no feedback.
    """
    question, *items = re.split(r"^(?=- \[)", markdown.strip(), flags=re.MULTILINE)
    found = [CHOICE.fullmatch(" ".join(item.split())) for item in items]
    if not question.strip():
        raise PartError("a quiz begins with its question")
    if not all(found):
        wrong = next(item for item, match in zip(items, found, strict=True) if not match)
        raise PartError(f"a choice of a quiz reads `- [ ] choice :: feedback`; got {wrong.strip()[:60]!r}")
    choices = [match for match in found if match]
    if not 2 <= len(choices) <= 5 or [c["mark"] for c in choices].count("x") != 1:
        raise PartError(f"a quiz has two to five choices, one of them right; got {[c['mark'] for c in choices]}")
    parts = [fold("choice", c["choice"], f"{VERDICT[c['mark']]} {told(c['feedback'])}", group) for c in choices]
    return "\n\n".join(["**Quiz.** " + question.strip(), *parts])


def told(feedback: str) -> str:
    """The feedback without a verdict of its own: that stands before it."""
    rest = re.sub(r"^(Right|No|Not quite|Wrong)[:.] ", "", feedback)
    return rest[0].upper() + rest[1:]


def answer(markdown: str) -> str:
    """An answer that no output shows, folded."""
    return fold("answer", "Answer", markdown.strip())


def fold_hints(markdown: str) -> str:
    """Each paragraph that begins with `**Hint.**` is folded; they are numbered when there are several."""
    blocks = re.split(r"\n\s*\n", markdown)
    hints = [i for i, block in enumerate(blocks) if block.startswith("**Hint.** ")]
    for number, i in enumerate(hints, start=1):
        title = f"Hint {number}" if len(hints) > 1 else "Hint"
        blocks[i] = fold("hint", title, blocks[i].removeprefix("**Hint.** "))
    return "\n\n".join(blocks)


def caption(text: str, chapter: str, number: int) -> str:
    """The numbered line below a figure."""
    label = f"figure-{chapter}-{number}"
    return f'<div class="caption" id="{label}">\n\n**Figure {chapter}.{number}.** {text.strip()}\n\n</div>'

"""Hands on an explorer in a browser: mouse, keyboard, finger; and what it shows afterwards."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page

from tests.browser.explorer_oracle import Saved

Exact = Callable[..., Mapping[str, np.ndarray]]
THUMB = 8  # half the width of a slider's thumb, in pixels
FIELD = re.compile(r"\{(\w+)(?::\.(\d)f)?\}")
READ = """async (e, names) => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return {
    values: e.explorer.values(),
    numbers: names.map((name) => e.explorer.get(name)),
    readouts: [...e.querySelectorAll(".ce-readout span")].map((line) => line.textContent),
  };
}"""


class Driver:
    """One explorer on one page.

    Args:
        exact: the explored function itself, where it is at hand; what is shown must be within 1 % of its range.
    """

    def __init__(self, page: Page, element: Locator, saved: Saved, exact: Exact | None = None):
        self.page, self.element, self.saved, self.exact = page, element, saved, exact
        self.now: dict[str, float] = {}  # where the controls stood at the last check
        self.sliders = [c for c in saved.spec["controls"] if c["kind"] == "slider"]
        self.choices = [c for c in saved.spec["controls"] if c["kind"] == "choice"]

    def input(self, control: dict[str, Any]) -> Locator:
        return self.element.locator(f"[data-control='{control['name']}']")

    def check(self, all_of_it: bool = False) -> dict[str, float]:
        """The numbers that the browser draws, and those that it writes, are Python's at the same slider values.

        Args:
            all_of_it: compare what no slider moves as well.
        """
        spec = self.saved.spec
        entries = [*spec["tables"], *(n for n in spec["networks"] if n["inputs"]), *(spec["constants"] * all_of_it)]
        names = [entry["name"] for entry in entries]
        shown = self.element.evaluate(READ, names)
        self.now = shown["values"]
        tabulated = self.saved.at(self.now)
        expected = tabulated | self.drawn(self.now)
        for name, got in zip(names, shown["numbers"], strict=True):
            want = expected[name]
            finite = want[np.isfinite(want)]
            scale = max(float(np.ptp(finite)), float(np.abs(finite).max()), 1e-3) if finite.size else 1.0
            close = np.testing.assert_allclose
            close(np.array(got, float).reshape(want.shape), want, rtol=0, atol=1e-4 * scale, err_msg=name)
        for template, text in zip(spec["readouts"], shown["readouts"], strict=True):
            self.check_text(template, text, expected)
        if self.exact is not None:
            self.check_exact(self.now, tabulated)
        return self.now

    def check_text(self, template: str, text: str, expected: dict[str, np.ndarray]) -> None:
        """A line such as "KL = {kl:.2f} nats" with its numbers, to half of its last digit."""
        literals, fields = FIELD.split(template)[::3], FIELD.findall(template)
        found = re.fullmatch(r"(−?[\d.]+|undefined)".join(map(re.escape, literals)), text)
        assert found, f"{text!r} is not of the form {template!r}"
        for written, (name, digits) in zip(found.groups(), fields, strict=True):
            want, got = float(np.ravel(expected[name])[0]), float(written.replace("−", "-").replace("undefined", "nan"))
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=0.51 * 10.0 ** -int(digits or 2), err_msg=text)

    def check_exact(self, values: dict[str, float], shown: dict[str, np.ndarray]) -> None:
        for name, want in self.exact(**values).items() if self.exact else ():
            entry = next((t for t in self.saved.spec["tables"] if t["name"] == name), None)
            if entry and name in shown:
                span = max(entry["high"] - entry["low"], 0.01 * abs(entry["high"]))
                np.testing.assert_allclose(shown[name], want, rtol=0, atol=0.01 * span, err_msg=name)

    def place(self, control: dict[str, Any], fraction: float) -> tuple[float, float]:
        """Where the thumb stands at this fraction of the slider, in pixels of the page."""
        box = self.input(control).bounding_box()
        assert box is not None
        return box["x"] + THUMB + fraction * (box["width"] - 2 * THUMB), box["y"] + box["height"] / 2

    def at(self, control: dict[str, Any], fraction: float) -> float:
        """The slider's value at this fraction of its length; a log slider runs evenly in the logarithm."""
        low, high = control["low"], control["high"]
        return low * (high / low) ** fraction if control["log"] else low + fraction * (high - low)

    def fraction(self, control: dict[str, Any]) -> float:
        low, high, value = control["low"], control["high"], self.now[control["name"]]
        return np.log(value / low) / np.log(high / low) if control["log"] else (value - low) / (high - low)

    def step(self, control: dict[str, Any]) -> float:
        """What an arrow key adds, as a fraction of the slider."""
        return 0.01 if control["log"] else control["step"] / (control["high"] - control["low"])

    def by_keyboard(self, control: dict[str, Any]) -> None:
        """Home, End and the arrows lead to the ends and one step away from them."""
        step = self.step(control)
        self.input(control).focus()
        ways = {"Home": 0.0, "ArrowUp": step, "ArrowRight": 2 * step, "End": 1.0, "ArrowDown": 1 - step}
        for key, want in [*ways.items(), ("ArrowLeft", 1 - 2 * step)]:
            self.page.keyboard.press(key)
            self.check()
            assert abs(self.fraction(control) - np.clip(want, 0, 1)) <= 1e-6, f"{control['name']} after {key}"

    def by_mouse(self, control: dict[str, Any], fraction: float) -> None:
        self.input(control).scroll_into_view_if_needed()
        self.page.mouse.move(*self.place(control, self.fraction(control)))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(control, fraction), steps=4)
        self.page.mouse.up()
        self.check()
        self.assert_near(control, fraction)

    def by_touch(self, control: dict[str, Any], fraction: float) -> None:
        self.input(control).scroll_into_view_if_needed()
        self.touch(self.place(control, self.fraction(control)), self.place(control, fraction))
        self.check()
        self.assert_near(control, fraction)

    def touch(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A finger that goes from one place to another; the browser ignores its first 15 pixels, as a trembling."""
        session = self.page.context.new_cdp_session(self.page)
        steps = [(start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])) for t in np.linspace(0, 1, 6)]
        for i, (x, y) in enumerate(steps):
            points = [{"x": x, "y": y}]
            session.send(
                "Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": points}
            )
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def assert_near(self, control: dict[str, Any], fraction: float) -> None:
        """Within a twentieth of the slider, or one step, of where the hand let go."""
        now = self.fraction(control)
        assert abs(now - fraction) <= max(0.05, self.step(control)), f"{control['name']} at {now:.3f}, not {fraction}"

    def choose(self, control: dict[str, Any]) -> None:
        """Every option, by the list and by a key; an option may bring slider settings along."""
        last, links = len(control["options"]) - 1, self.saved.spec["links"].get(control["name"], {})
        for option in dict.fromkeys((last, 0, *range(min(last, 3)))):
            self.input(control).select_option(index=option)
            values = self.check()
            assert values[control["name"]] == option
            for slider in self.sliders:
                if slider["name"] in links:
                    want = np.clip(links[slider["name"]][option], slider["low"], slider["high"])
                    assert abs(values[slider["name"]] - want) <= 1e-6
        self.input(control).select_option(index=0)
        self.input(control).focus()
        self.page.keyboard.press("ArrowDown")
        assert self.check()[control["name"]] == 1

    def drag_panel(self, finger: bool = False) -> None:
        """A pointer on a panel moves the panel's two sliders to the place under it."""
        for number, panel in enumerate(self.saved.spec["panels"]):
            if not panel["drag"]:
                continue
            canvas = self.element.locator(".ce-panel canvas").nth(number)
            canvas.scroll_into_view_if_needed()
            box = canvas.bounding_box()
            assert box is not None
            top = 24 if panel["title"] else 8
            left, right, bottom = 50, box["width"] - 10, box["height"] - 40
            places = [(left + f * (right - left), bottom - g * (bottom - top)) for f, g in [(0.3, 0.4), (0.8, 0.65)]]
            start, end = [(box["x"] + x, box["y"] + y) for x, y in places]
            if finger:
                self.touch(start, end)
            else:
                self.page.mouse.move(*start)
                self.page.mouse.down()
                self.page.mouse.move(*end, steps=4)
                self.page.mouse.up()
            values = self.check()
            for name, axis, fraction in zip(panel["drag"], (panel["x"], panel["y"]), (0.8, 0.65), strict=True):
                control = next(c for c in self.sliders if c["name"] == name)
                want = np.clip(axis["low"] + fraction * (axis["high"] - axis["low"]), control["low"], control["high"])
                snap = 0.5 * control["step"] if control["stepped"] else 0.0  # it stops at its steps alone
                assert abs(values[name] - want) <= 0.02 * (axis["high"] - axis["low"]) + snap

    def play(self) -> None:
        if not self.saved.spec["play"]:
            return
        button = self.element.get_by_role("button", name="play")
        before = self.now
        button.click()
        self.page.wait_for_timeout(150)
        self.element.get_by_role("button", name="pause").click()
        assert self.check() != before

    def drawn(self, values: dict[str, float]) -> dict[str, np.ndarray]:
        """What a drawing on the pad puts in the place of the table's entries, while its option is chosen."""
        pad = self.saved.spec["pad"]
        if not pad or values[pad["choice"]] != pad["option"]:
            return {}
        read = "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0)"
        ink = np.array(self.element.locator(".ce-pad").evaluate(read)) < 128
        return self.saved.posterior(ink.astype(np.float32)) if ink.any() else {}

    def draw_on_pad(self) -> None:
        """A stroke on the drawing pad goes through the encoder; the sliders move to the mean."""
        if not self.saved.spec["pad"]:
            return
        pad = self.element.locator(".ce-pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"]
        self.page.mouse.move(x, y + 0.2 * box["height"])
        self.page.mouse.down()
        self.page.mouse.move(x, y + 0.8 * box["height"], steps=6)
        self.page.mouse.up()
        values = self.check()
        mean = self.drawn(values)[self.saved.spec["pad"]["mean"]]
        for name, want in zip(self.saved.spec["pad"]["sets"], mean, strict=True):
            slider = next(c for c in self.sliders if c["name"] == name)
            assert abs(values[name] - np.clip(want, slider["low"], slider["high"])) <= 1e-3

    def reset(self) -> None:
        self.element.get_by_role("button", name="reset").click()
        starts = {c["name"]: c["start"] for c in self.saved.spec["controls"]}
        assert self.check() == starts

    def assert_appears(self) -> None:
        """Title, a canvas with ink on it for each panel, and the slider values as text."""
        self.element.scroll_into_view_if_needed()
        self.check(all_of_it=True)
        canvases = self.element.locator(".ce-panel canvas")
        assert canvases.count() == len(self.saved.spec["panels"])
        ink = "(all) => all.map((c) => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size)"
        assert min(canvases.evaluate_all(ink)) > 2
        assert all("Now:" in label for label in canvases.evaluate_all("(all) => all.map((c) => c.ariaLabel)"))

    def by_hand_and_keys(self, sliders: int = 4) -> None:
        """Everything that a mouse and a keyboard can do, and back to the start.

        Args:
            sliders: how many of the sliders to move; of many, all alike, the first ones stand for the rest.
        """
        self.assert_appears()
        for control in self.sliders[:sliders]:
            self.by_keyboard(control)
            self.by_mouse(control, 0.3)
        for control in self.choices:
            self.choose(control)
        self.drag_panel()
        self.draw_on_pad()
        self.play()
        self.reset()

    def by_finger(self, sliders: int = 4) -> None:
        self.assert_appears()
        for control in self.sliders[:sliders]:
            self.by_touch(control, 0.85 if self.fraction(control) < 0.5 else 0.15)
        self.drag_panel(finger=True)
        self.reset()

"""Whatever array comes in, a public entry gives the right value or one clear error: entries × inputs, all of them."""

import json
from collections import Counter

import pytest

from tests.compiled import ENVIRONMENT
from tests.laws.odd_inputs import entries, is_map
from tests.places.people import ROOT, environment, python

NAMES = list(entries())
ANY_WIDTH = ("binarize", "fvsbn_path", "least_squares", "yule_walker")  # what "too narrow" is not wrong for


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, dict[str, str]]]:
    done = python(ROOT / "tests" / "laws" / "odd_inputs.py", timeout=600, env=environment(**ENVIRONMENT))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers_in_any_dress_give_the_same_value(told, name):
    assert {kind: came for kind, came in told[name]["kinds"].items() if came != "same"} == {}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_is_refused_by_the_course_itself(told, name):
    """A map lets NaN and infinity through, as any formula does; what promises a probability refuses them."""
    came = dict(told[name]["wrong"])
    if is_map(name):
        assert came.pop("NaN") in ("not finite", "refused")
        passed = [came.pop(kind) for kind in ("inf", "-inf", "1e300")]
        assert set(passed) <= {"not finite", "finite", "refused"}
    if name in ANY_WIDTH or (is_map(name) and name[0].islower()):
        assert came.pop("too narrow") in ("finite", "refused")  # refused where another argument has the full width
    assert {kind: how for kind, how in came.items() if how != "refused"} == {}


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_is_no_accident(told, name):
    assert set(told[name]["none"].values()) <= {"finite", "not finite", "refused"}


def test_the_table_is_as_large_as_it_says(told, record_property):
    """Entries × inputs; none silently wrong, none unclear."""
    counts = Counter(
        came.partition(":")[0] for group in told.values() for rows in group.values() for came in rows.values()
    )
    record_property("entries", len(told))
    record_property("outcomes", dict(counts))
    assert len(told) >= 100
    assert counts["same"] >= 2000
    assert counts["refused"] >= 1000
    assert set(counts) <= {"same", "refused", "finite", "not finite"}

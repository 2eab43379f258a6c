"""MADE's degrees and masks: shapes, validity, no unit cut off, and errors."""

from itertools import pairwise

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.networks import allowed_dependencies, is_autoregressive, made_degrees, made_masks

cases = st.tuples(
    st.integers(2, 9).flatmap(lambda d: st.permutations(range(d))),
    st.lists(st.integers(2, 12), max_size=3),
    st.one_of(st.none(), st.integers(0, 1000)),
)


def masks_of(case):
    ordering, hidden_sizes, seed = case
    key = None if seed is None else jax.random.key(seed)
    return np.array(ordering), made_masks(np.array(ordering), hidden_sizes, key)


@settings(max_examples=40, deadline=None)
@given(cases)
def test_paths_are_strictly_triangular_in_the_ordering(case):
    ordering, masks = masks_of(case)
    paths = np.linalg.multi_dot([*map(np.asarray, masks), np.eye(len(ordering))])
    np.testing.assert_array_equal(np.tril(paths[np.ix_(ordering, ordering)]), 0)
    assert is_autoregressive(masks, ordering)
    assert [m.shape for m in masks] == list(zip([len(ordering), *case[1]], [*case[1], len(ordering)], strict=True))


@settings(max_examples=40, deadline=None)
@given(cases)
def test_no_hidden_unit_is_cut_off(case):
    _, masks = masks_of(case)
    for into, out_of in pairwise(masks):
        assert np.asarray(into).any(axis=0).all()
        assert np.asarray(out_of).any(axis=1).all()


def test_evenly_spread_degrees_hold_every_value_when_there_is_room():
    for d, width in [(6, 5), (6, 8), (10, 9), (10, 33)]:
        counts = np.bincount(made_degrees(np.arange(d), (width,))[1], minlength=d)[1:]
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 1


def test_degrees_of_inputs_are_positions():
    assert made_degrees(np.array([2, 0, 1]), ())[0].tolist() == [2, 3, 1]


def test_drawn_degrees_depend_on_the_key_and_on_the_layer():
    first, again, other = (made_degrees(np.arange(30), (40, 40), jax.random.key(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any()
    assert (first[1] != first[2]).any()


def test_every_allowed_dependency_has_a_path():
    ordering = np.array([3, 1, 4, 0, 2])
    paths = np.eye(5)
    for mask in made_masks(ordering, (4, 7)):
        paths = paths @ np.asarray(mask)
    np.testing.assert_array_equal(paths > 0, allowed_dependencies(ordering))


def test_a_mask_that_lets_a_pixel_see_itself_is_found():
    assert not is_autoregressive([np.triu(np.ones((4, 4)))], np.arange(4))
    assert is_autoregressive([np.triu(np.ones((4, 4)), 1)], np.arange(4))
    assert not is_autoregressive([np.triu(np.ones((4, 4)), 1)], np.arange(4)[::-1])


def test_errors():
    with pytest.raises(ValueError, match="no permutation"):
        made_masks(np.array([0, 2]), (3,))
    with pytest.raises(ValueError, match="a hidden size is 0"):
        made_masks(np.arange(3), (4, 0))
    with pytest.raises(ValueError, match="no permutation"):
        allowed_dependencies(np.array([1, 1]))

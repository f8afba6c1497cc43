"""A sequence that only grows, and no generation of which ever changes."""

from __future__ import annotations

from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.projections.append_only import AppendOnly

ITEMS = st.lists(st.integers(), max_size=8)


@given(ITEMS, ITEMS)
def test_extending_gives_what_lists_give(first: list[int], second: list[int]) -> None:
    assert list(AppendOnly.of(first).extend(second)) == first + second
    assert len(AppendOnly.of(first).extend(second)) == len(first + second)


@given(ITEMS, ITEMS, ITEMS)
def test_two_branches_of_one_sequence_know_nothing_of_each_other(
    trunk: list[int], left: list[int], right: list[int]
) -> None:
    start = AppendOnly.of(trunk)

    one, other = start.extend(left), start.extend(right)
    later = one.extend(right)

    assert (list(start), list(one), list(other)) == (trunk, trunk + left, trunk + right)
    assert list(later) == trunk + left + right


@given(ITEMS, st.lists(ITEMS, max_size=3))
def test_how_it_was_put_together_makes_no_difference(
    first: list[int], more: list[list[int]]
) -> None:
    grown = AppendOnly.of(first)
    for items in more:
        for item in items:
            grown = grown.append(item)
    whole = AppendOnly.of([*first, *(item for items in more for item in items)])

    assert grown == whole
    assert hash(grown) == hash(whole)


@given(ITEMS, ITEMS, st.slices(8))
def test_it_is_read_as_a_tuple_is_read(first: list[int], rest: list[int], part: slice) -> None:
    sequence = AppendOnly.of(first)
    sequence.extend(rest)  # shares its storage, and must not show

    assert list(sequence[part]) == first[part]
    assert [sequence[place] for place in range(-len(first), len(first))] == first + first
    assert list(reversed(sequence)) == first[::-1]


@pytest.mark.parametrize("place", [2, -3])
def test_there_is_nothing_beyond_its_ends(place: int) -> None:
    sequence = AppendOnly.of([1, 2])
    sequence.append(3)

    with pytest.raises(IndexError):
        sequence[place]


def test_extending_with_itself_doubles_it() -> None:
    sequence = AppendOnly.of([1, 2])

    assert list(sequence.extend(sequence)) == [1, 2, 1, 2]


def test_a_source_that_fails_leaves_it_as_it_was() -> None:
    sequence = AppendOnly.of([1])

    with pytest.raises(ZeroDivisionError):
        sequence.extend(1 // number for number in (1, 0))

    assert list(sequence) == [1]
    assert list(sequence.append(2)) == [1, 2]


def test_an_empty_sequence_does_not_keep_alive_what_was_appended_to_it() -> None:
    class Item: ...

    empty: AppendOnly[Item] = AppendOnly()
    item = Item()
    empty.append(item)
    gone = ref(item)
    del item

    assert gone() is None

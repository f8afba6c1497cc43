"""A sequence that only grows, for states that hold lists."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

import msgspec

T = TypeVar("T")


class _Meta(msgspec.StructMeta, ABCMeta):
    """What a struct that is a `Sequence` is made by."""


class AppendOnly(
    msgspec.Struct, Sequence[T], Generic[T], metaclass=_Meta, frozen=True, gc=False, eq=False
):
    """
    An immutable sequence whose `append` and `extend` cost only what they add.

    All generations share one growing list, of which each sees its own length. Extending an
    older generation a second time copies it, so that no generation ever changes. `of` makes
    one of other items; a struct, because folding a long thread makes one with each message. As
    such it is written with items of newer generations, if there are any, and read with as few.
    """

    _items: list[T] = []
    _length: int = 0

    @classmethod
    def of(cls, items: Iterable[T]) -> AppendOnly[T]:
        """The sequence of these items."""
        kept = list(items)
        return AppendOnly(kept, len(kept))

    def append(self, item: T) -> AppendOnly[T]:
        """This sequence and one more item."""
        items, length = self._items, self._length
        # A longer list is that of newer generations, which must not change; and an empty
        # sequence is often a constant, which must not keep what was appended to it alive.
        if not length or len(items) != length:
            items = items[:length]
        items.append(item)
        return AppendOnly(items, length + 1)

    def extend(self, items: Iterable[T]) -> AppendOnly[T]:
        """This sequence and more items."""
        grown, length = self._items, self._length
        if not length or len(grown) != length:
            grown = grown[:length]
        grown.extend(items)
        return AppendOnly(grown, len(grown))

    def continues(self, earlier: AppendOnly[T]) -> bool:
        """Whether this is `earlier` and more; False also where finding out would mean comparing."""
        return self._items is earlier._items and self._length >= earlier._length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return islice(self._items, self._length)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        length = self._length
        if isinstance(index, int):
            if not -length <= index < length:
                raise IndexError(index)
            return self._items[index if index >= 0 else length + index]
        start, stop, step = index.indices(length)
        if step > 0:
            return self._items[start:stop:step]
        return [self._items[place] for place in range(start, stop, step)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AppendOnly):
            return NotImplemented
        return self._length == other._length and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"AppendOnly.of({list(self)!r})"

"""A memory for keys that were seen not long ago."""

from __future__ import annotations

from collections.abc import Hashable

DEFAULT_CAPACITY = 100_000


class RecentKeys:
    """Tells repeats among the last `capacity` different keys; older ones are forgotten, so memory stays bounded."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        # A dict keeps the order in which its keys came.
        self._keys: dict[Hashable, None] = {}

    def is_new(self, key: Hashable) -> bool:
        """Whether a key was not seen lately; from now on it was."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._capacity:
            del self._keys[next(iter(self._keys))]
        return True

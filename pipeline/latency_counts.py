"""Times counted in the classes of `latency`, tens of thousands at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from pipeline.latency import AHEAD, ENDS, IN_ALL, LAST, TO_BROKER, TO_SPARK, TO_STORE, Counts, class_of


def counted(times: npt.ArrayLike) -> Counts:
    """Whole milliseconds, counted by their class."""
    given = np.asarray(times, np.int64)
    classes = np.where(given < 0, AHEAD, np.minimum(np.searchsorted(ENDS, given), LAST))
    numbers, counts = np.unique(classes, return_counts=True)
    return {str(number): count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


def legs(moments: Sequence[datetime], appended: Sequence[int], received: int, stored: int) -> dict[str, Counts]:
    """What readings took, by the leg; nothing for none.

    `moments` are their own timestamps and `appended` those of the broker, in milliseconds since 1970 like the instants
    at which all of them were `received` and `stored`.
    """
    if not moments:
        return {}
    begun = np.rint(1000 * np.array([moment.timestamp() for moment in moments])).astype(np.int64)
    at_broker = np.array(appended)
    return {
        TO_BROKER: counted(at_broker - begun),
        TO_SPARK: counted(received - at_broker),
        TO_STORE: {str(class_of(stored - received)): len(begun)},
        IN_ALL: counted(stored - begun),
    }

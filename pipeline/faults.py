"""Faults on purpose: late, duplicate, malformed and dropped readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from pipeline.quota import Quota


class Fault(IntEnum):
    """What is done to a reading; no reading has two faults."""

    NONE = 0
    LATE = 1
    DUPLICATE = 2
    MALFORMED = 3
    DROPPED = 4


@dataclass(frozen=True)
class FaultRates:
    """The share of the readings that each fault takes (0 to 1, 1 at most in sum); `late_by` is in seconds."""

    late: float = 0.0
    duplicate: float = 0.0
    malformed: float = 0.0
    dropped: float = 0.0
    late_by: float = 300.0

    def picker(self) -> FaultPicker:
        """The state of one pass over the readings."""
        return FaultPicker(self)


class FaultPicker:
    """Gives each reading its fault."""

    def __init__(self, rates: FaultRates) -> None:
        self._quotas = [
            (Fault.LATE, Quota(rates.late)),
            (Fault.DUPLICATE, Quota(rates.duplicate)),
            (Fault.MALFORMED, Quota(rates.malformed)),
            (Fault.DROPPED, Quota(rates.dropped)),
        ]

    def pick(self, rng: np.random.Generator, count: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
        """The faults of the next `count` readings, and for each how a malformed message would be broken."""
        fault = np.zeros(count, dtype=np.int8)
        order = rng.permutation(count)
        used = 0
        for kind, quota in self._quotas:
            taken = quota.take(count)
            fault[order[used : used + taken]] = kind
            used += taken
        return fault, rng.integers(len(MALFORMATIONS), size=count)


# Each turns a good message into one that the contract refuses.
MALFORMATIONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda payload: payload[: len(payload) // 2],
    lambda payload: payload + b" and more",
    lambda payload: payload.replace(b'"value":', b'"valve":'),
    lambda payload: payload.replace(b'"value":', b'"value":"high","old_value":'),
    lambda payload: payload.replace(b'"value":', b'"value":NaN,"old_value":'),
    lambda payload: payload.replace(b'"value":', b'"value":1e999,"old_value":'),
    lambda payload: payload.replace(b'"timestamp":"', b'"timestamp":"yesterday '),
    lambda payload: payload.replace(b'"event_id":"', b'"event_id":"not-a-uuid-'),
    lambda payload: payload.replace(b'"schema_version":1', b'"schema_version":99'),
    lambda payload: payload.replace(b'"sensor_type":', b'"sensor_kind":'),
    lambda payload: payload.replace(b'"', b"'"),
    lambda payload: b"\xff\xfe" + payload,
    lambda _payload: b"",
    lambda _payload: b"[]",
    lambda _payload: b"sensor says hello",
)

"""Event ids: UUIDs of version 8 that pack run, sequence and sensor number, made in arrays.

RFC 9562, section 5.8, leaves 122 bits to us: 48 bits of run, 42 of sequence, 32 of sensor number, in this order, so
that the ids of a run sort by time and can be decoded.

    bits 0–47 run · 48–51 version 8 · 52–63 sequence, high 12 · 64–65 variant 2 · 66–95 sequence, low 30 · 96–127 sensor
"""

from __future__ import annotations

import uuid

import numpy as np
import numpy.typing as npt

RUN_BITS, SEQUENCE_BITS, SENSOR_BITS = 48, 42, 32
_LOW_SEQUENCE_BITS = 30
# The two digits of each byte.
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), dtype=np.uint8).reshape(256, 2)


def encode(run: str, sequences: npt.NDArray[np.int64], sensors: npt.NDArray[np.int64]) -> list[str]:
    """The event ids of readings; see `encode_ascii`."""
    return [one.decode() for one in encode_ascii(run, sequences, sensors)]


def encode_ascii(run: str, sequences: npt.NDArray[np.int64], sensors: npt.NDArray[np.int64]) -> list[bytes]:
    """The event ids of readings as ASCII.

    `run` is 12 hexadecimal digits; `sequences` (below 2⁴²) and `sensors` (below 2³²) have one element a reading.
    """
    count = len(sequences)
    words = np.empty((count, 2), dtype=">u8")
    sequence = sequences.astype(np.uint64)
    words[:, 0] = np.uint64(int(run, 16) << 16 | 0x8000) | sequence >> np.uint64(_LOW_SEQUENCE_BITS)
    low = sequence & np.uint64((1 << _LOW_SEQUENCE_BITS) - 1)
    words[:, 1] = np.uint64(0b10 << 62) | low << np.uint64(SENSOR_BITS) | sensors.astype(np.uint64)
    digits = _HEX[words.view(np.uint8)].reshape(count, 32)
    ids = np.full((count, 36), ord("-"), dtype=np.uint8)
    for first, last, dashes in ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4)):
        ids[:, first + dashes : last + dashes] = digits[:, first:last]
    found: list[bytes] = ids.view("S36").ravel().tolist()
    return found


def decode(event_id: str) -> tuple[str, int, int]:
    """Run (12 hexadecimal digits), sequence and sensor number of one of our ids; raises ValueError for another UUID."""
    value = uuid.UUID(event_id)
    if value.version != 8:
        raise ValueError(f"{event_id} is no UUID of version 8")
    number = value.int
    sensor = number & (1 << SENSOR_BITS) - 1
    low = number >> SENSOR_BITS & (1 << _LOW_SEQUENCE_BITS) - 1
    high = number >> 64 & 0xFFF
    return f"{number >> 80:012x}", high << _LOW_SEQUENCE_BITS | low, sensor


def decode_many(ids: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sequences and sensor numbers of our ids, given as 16 bytes each."""
    words = np.frombuffer(ids, dtype=">u8").reshape(-1, 2)
    low = words[:, 1] >> np.uint64(SENSOR_BITS) & np.uint64((1 << _LOW_SEQUENCE_BITS) - 1)
    sequences = (words[:, 0] & np.uint64(0xFFF)) << np.uint64(_LOW_SEQUENCE_BITS) | low
    sensors = words[:, 1] & np.uint64((1 << SENSOR_BITS) - 1)
    return sequences.astype(np.int64), sensors.astype(np.int64)

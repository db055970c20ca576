"""Strategies for messages that keep the contract or break it by little."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests import messages
from tests.messages import CASES, MINIMAL, WHOLE

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=64)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
# Fields that are right, wrong in type, wrong in form, absent or twice there, in any order.
FIELD_NAMES = (*messages.OPTIONAL, *messages.REQUIRED, "extra")
WRONG_OR_RIGHT = JSON.map(json.dumps) | st.sampled_from(
    [case.payload.decode() for case in CASES if case.payload and len(case.payload) < 20 and case.payload.isascii()]
    + [*messages.REQUIRED.values(), *messages.OPTIONAL.values(), "1e400", "NaN", '"\\ud800"', '"a\\nb"', '"2026-02-30"']
)
NEARLY_READINGS = st.builds(
    lambda right, changes: right + changes,
    st.permutations([*messages.REQUIRED.items(), *messages.OPTIONAL.items()]),
    st.lists(st.tuples(st.sampled_from(FIELD_NAMES), WRONG_OR_RIGHT), max_size=3),
).flatmap(st.permutations)

# An example is a job of Spark's with many messages in it; what differs is named, so nothing need be made smaller.
IN_BATCHES = settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def as_message(fields: Iterable[tuple[str, str]]) -> bytes:
    """Fields, as names and JSON text, as a message."""
    return ("{" + ",".join(f'"{name}":{text}' for name, text in fields) + "}").encode()


def mutated(rng: random.Random) -> bytes:
    """A good message with one to three small things done to it."""
    payload = bytearray(rng.choice([WHOLE, MINIMAL]))
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(payload)) if payload else 0
        match rng.randrange(6):
            case 0:
                payload[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                payload[place : place + 1] = rng.choice(b'{}[]",:\\ 0e-.~\n').to_bytes(1)
            case 2:
                del payload[place : place + rng.randint(1, 3)]
            case 3:
                payload[place:place] = payload[place : place + rng.randint(1, 30)]
            case 4:
                del payload[place:]
            case 5:
                other = rng.randrange(len(WHOLE))
                payload[place:place] = WHOLE[other : other + rng.randint(1, 20)]
    return bytes(payload)

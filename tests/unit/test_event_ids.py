"""Event ids are UUIDs, sort by run, sequence and sensor, and can be decoded."""

import uuid

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import event_ids
from pipeline.refusals import match_event_id

RUNS = st.integers(0, 2**48 - 1).map(lambda number: f"{number:012x}")
SEQUENCES = st.integers(0, 2**42 - 1)
SENSORS = st.integers(0, 2**32 - 1)
READINGS = st.lists(st.tuples(SEQUENCES, SENSORS), max_size=20)


def encode(run: str, readings: list[tuple[int, int]]) -> list[str]:
    sequences = np.array([sequence for sequence, _ in readings], dtype=np.int64)
    sensors = np.array([sensor for _, sensor in readings], dtype=np.int64)
    return event_ids.encode(run, sequences, sensors)


@given(RUNS, READINGS)
def test_ids_in_bytes_tell_sequences_and_sensors_at_once(run, readings):
    ids = b"".join(uuid.UUID(one).bytes for one in encode(run, readings))

    sequences, sensors = event_ids.decode_many(ids)

    assert list(zip(sequences.tolist(), sensors.tolist(), strict=True)) == readings


@given(RUNS, READINGS)
@example("ffffffffffff", [(2**42 - 1, 2**32 - 1), (0, 0)])
@example("000000000000", [(2**30 - 1, 1), (2**30, 0)])
def test_an_id_tells_run_sequence_and_sensor(run, readings):
    ids = encode(run, readings)

    assert [event_ids.decode(one) for one in ids] == [(run, sequence, sensor) for sequence, sensor in readings]


@given(RUNS, READINGS)
def test_an_id_is_a_uuid_of_version_8_in_canonical_lower_case(run, readings):
    for event_id in encode(run, readings):
        parsed = uuid.UUID(event_id)

        assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)
        assert str(parsed) == event_id
        assert match_event_id(event_id)


@given(st.lists(st.tuples(RUNS, SEQUENCES, SENSORS), max_size=30))
def test_ids_sort_by_run_then_sequence_then_sensor(origins):
    ids = {origin: encode(origin[0], [origin[1:]])[0] for origin in origins}

    assert [ids[origin] for origin in sorted(ids)] == sorted(ids.values())


@given(RUNS, st.lists(st.tuples(SEQUENCES, SENSORS), unique=True, max_size=30))
def test_different_readings_have_different_ids(run, readings):
    assert len(set(encode(run, readings))) == len(readings)


@given(st.uuids().filter(lambda one: one.version != 8))
def test_a_uuid_of_another_version_is_not_decoded(other):
    with pytest.raises(ValueError, match="no UUID of version 8"):
        event_ids.decode(str(other))


def test_what_is_no_uuid_is_not_decoded():
    with pytest.raises(ValueError, match="badly formed"):
        event_ids.decode("sensor_0042")

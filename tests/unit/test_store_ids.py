from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import store_ids

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
instants = st.integers(0, 10**14).map(lambda milliseconds: EPOCH + timedelta(milliseconds=milliseconds))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
places = st.tuples(names, st.integers(0, 9), st.integers(0, 999))


@given(st.uuids())
def test_a_readings_id_is_its_event_id_as_a_binary_uuid(value):
    stored = store_ids.reading_id(str(value))

    assert stored.as_uuid() == value
    assert store_ids.event_id(stored) == str(value)


@pytest.mark.parametrize("text", ["", "5EED00C0-ffee-8000-8000-000000000000", "{}", "5eed00c0ffee80008000000000000000"])
def test_an_event_id_in_any_other_form_is_refused(text):
    with pytest.raises(ValueError, match="no UUID in canonical lower case"):
        store_ids.reading_id(text)


def test_the_ids_of_a_run_lie_between_its_bounds_and_those_of_others_do_not():
    first, last = store_ids.run_range("5eed00c0ffee")

    assert first <= store_ids.reading_id("5eed00c0-ffee-8000-8000-000000000000") <= last
    assert first <= store_ids.reading_id("5eed00c0-ffee-8fff-bfff-ffffffffffff") <= last
    assert store_ids.reading_id("5eed00c0-ffed-8fff-bfff-ffffffffffff") < first
    assert store_ids.reading_id("5eed00c0-ffef-8000-8000-000000000000") > last


@pytest.mark.parametrize("run", ["", "1", "5EED00C0FFEE", "5eed00c0ffee0", "device-7"])
def test_a_run_that_is_not_ours_has_no_bounds(run):
    with pytest.raises(ValueError, match="no run of ours"):
        store_ids.run_range(run)


def test_ids_can_be_read_by_people():
    assert store_ids.window_id(START, "temperature", "lab") == "2026-03-01T12:00:00.000Z|temperature|lab"
    assert store_ids.alarm_id("sensor_1", "too_hot", START) == "sensor_1|too_hot|2026-03-01T12:00:00.000Z"
    assert store_ids.dead_letter_id("sensor-data", 2, 17) == "sensor-data-2-17"


def test_an_instant_is_the_same_in_every_zone():
    elsewhere = START.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert store_ids.instant_text(elsewhere) == store_ids.instant_text(START)


@given(names, names, instants)
def test_an_alarms_id_tells_its_parts_whatever_they_hold(sensor, rule, first_seen):
    assert store_ids.alarm_parts(store_ids.alarm_id(sensor, rule, first_seen)) == (sensor, rule, first_seen)


@given(st.tuples(names, names), st.tuples(names, names))
def test_two_windows_of_one_instant_share_no_id(one, other):
    assert (store_ids.window_id(START, *one) == store_ids.window_id(START, *other)) == (one == other)


@given(places, places)
def test_two_messages_share_no_id(one, other):
    assert (store_ids.dead_letter_id(*one) == store_ids.dead_letter_id(*other)) == (one == other)


@pytest.mark.parametrize("text", ["", "a|b", "a|b|c|2026-03-01T12:00:00.000Z", "a|b|yesterday"])
def test_a_text_that_is_no_alarms_id_is_refused(text):
    with pytest.raises(ValueError, match=r"no alarm's id|Invalid isoformat"):
        store_ids.alarm_parts(text)

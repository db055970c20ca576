"""Reading until it is time to stop, and what is told of a broker that goes and comes back."""

import json
import logging

import pytest
from confluent_kafka import KafkaError

from pipeline.broker_watch import BrokerWatch
from pipeline.console import StopRequest, UserError
from pipeline.read_loop import Timetable, read_until_stopped


class ManualClock:
    """A clock that only the reader moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class SlowReader:
    """Hands over prepared batches; each takes as long as it says, and an empty one as long as it may."""

    def __init__(self, clock: ManualClock, batches=()) -> None:
        self._clock, self._batches = clock, list(batches)

    def read(self, seconds: float, *, at_once: bool = False) -> list:
        assert seconds >= 0
        assert not at_once
        took, records = self._batches.pop(0) if self._batches else (seconds, [])
        # A clock whose steps are too small to see would never end.
        self._clock.sleep(max(took, 1e-6))
        return records


class Diary:
    """Writes down what it is asked to do, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.taken, self.intervals = [], []

    def take(self, records: list) -> None:
        self.taken += records

    def interval(self) -> None:
        self.intervals.append(round(self._clock.now - 1000, 3))

    def finish(self) -> None:
        raise AssertionError("who called the loop says when it is the end")


def run(batches=(), *, interval=20.0, duration=None, stop=None, **more) -> Diary:
    clock = ManualClock()
    diary = Diary(clock)
    read_until_stopped(
        SlowReader(clock, batches), diary, Timetable(interval, duration), stop or StopRequest(), clock, **more
    )
    return diary


def test_every_interval_comes_at_its_instant_also_without_records():
    assert run(duration=100).intervals == [20, 40, 60, 80, 100]


def test_missed_instants_are_not_made_up_for_and_the_schedule_stays():
    diary = run([(65.0, ["late"])], duration=100)

    assert diary.intervals == [65, 80, 100]
    assert diary.taken == ["late"]


def test_it_ends_after_its_duration_between_two_intervals():
    assert run(duration=50).intervals == [20, 40]


def test_all_batches_are_taken_in_order():
    assert run([(0.1, [1, 2]), (0.1, []), (0.1, [3])], duration=1).taken == [1, 2, 3]


def test_a_stop_that_was_asked_for_before_is_a_stop():
    stop = StopRequest()
    stop.set()

    assert run([(0.1, [1])], stop=stop).taken == []


def test_it_ends_when_it_is_done():
    left = iter([False, False, True])

    assert run([(0.1, [1]), (0.1, [2]), (0.1, [3])], is_done=lambda: next(left)).taken == [1, 2]


def statistics(*states: str) -> str:
    return json.dumps({"brokers": {str(number): {"state": state} for number, state in enumerate(states)}, "topics": {}})


def test_one_line_when_the_last_broker_goes_and_one_when_one_is_back(caplog):
    caplog.set_level(logging.INFO)
    watch = BrokerWatch("here:9092")

    for states in (("UP", "UP"), ("UP", "DOWN"), ("DOWN", "TRY_CONNECT"), ("DOWN", "CONNECT"), ("UPDATE", "DOWN")):
        watch.on_statistics(statistics(*states))

    assert [record.getMessage() for record in caplog.records] == [
        "the broker at here:9092 does not answer; reading goes on when it is back",
        "the broker at here:9092 answers again",
    ]


@pytest.mark.parametrize("name", ["TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "_AUTHENTICATION"])
def test_a_broker_that_refuses_us_is_an_error_and_other_errors_are_told_once(caplog, name):
    watch = BrokerWatch("here:9092")
    for _ in range(3):
        watch.on_error(KafkaError(KafkaError.OFFSET_OUT_OF_RANGE))
        watch.on_error(KafkaError(KafkaError._TRANSPORT))
        watch.check()
    assert len(caplog.records) == 1

    watch.on_error(KafkaError(getattr(KafkaError, name)))

    with pytest.raises(UserError, match=r"the broker at here:9092 refuses: .*; check credentials and permissions"):
        watch.check()

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from clocks import HandClock
from harness import await_condition

from pipeline.breaker import FIRST_PAUSE, LONGEST_PAUSE, Breaker, Stopped
from pipeline.console import UserError


class Server:
    """A server that is away for so many seconds of a clock, again and again if more are given."""

    def __init__(self, clock: HandClock, outages: Sequence[tuple[float, float]] = ()) -> None:
        self._clock, self._outages = clock, outages
        self.probed: list[float] = []

    def probe(self) -> None:
        now = self._clock.monotonic()
        self.probed.append(now)
        if any(start <= now < end for start, end in self._outages):
            raise UserError("it does not answer")


def waits(clock: HandClock, stop_at: float = float("inf")) -> Callable[[float], bool]:
    def wait(seconds: float) -> bool:
        clock.sleep(seconds)
        return clock.monotonic() >= stop_at

    return wait


def test_where_all_servers_answer_nobody_waits_longer_than_a_moment(caplog):
    clock = HandClock()
    kafka, mongo = Server(clock), Server(clock)
    breaker = Breaker({"Kafka": kafka.probe, "MongoDB": mongo.probe}, waits(clock))

    assert breaker.await_all() is False

    assert (kafka.probed, mongo.probed) == ([FIRST_PAUSE], [FIRST_PAUSE])
    assert breaker.away is None
    assert caplog.records == []


def test_the_pauses_between_two_probes_grow_up_to_a_limit_and_are_random():
    rounds = []
    for _ in range(200):
        clock = HandClock()
        mongo = Server(clock, [(0, 200)])

        assert Breaker({"MongoDB": mongo.probe}, waits(clock)).await_all() is True

        assert mongo.probed[-2] < 200 <= mongo.probed[-1]
        rounds.append([later - earlier for earlier, later in pairwise(mongo.probed)])

    for number in range(8):
        drawn = [pauses[number] for pauses in rounds]
        limit = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert 0 <= min(drawn) < 0.1 * limit
        assert 0.9 * limit < max(drawn) <= limit


def test_an_outage_is_told_once_with_its_reason_and_its_end(caplog):
    caplog.set_level(logging.INFO)
    clock = HandClock()
    mongo = Server(clock, [(0, 60)])
    away = []

    def wait(seconds: float) -> bool:
        away.append(breaker.away)
        clock.sleep(seconds)
        return False

    breaker = Breaker({"Kafka": Server(clock).probe, "MongoDB": mongo.probe}, wait)

    breaker.await_all()

    assert [record.getMessage() for record in caplog.records] == [
        "MongoDB is away: waiting for it, nothing is lost (it does not answer)",
        "MongoDB answers again",
    ]
    assert away[0] is None
    assert set(away[1:]) == {"MongoDB"}
    assert breaker.away is None


def test_of_two_servers_that_are_away_one_after_the_other_is_told(caplog):
    caplog.set_level(logging.INFO)
    clock = HandClock()
    probes = {"Kafka": Server(clock, [(0, 20)]).probe, "MongoDB": Server(clock, [(0, 60)]).probe}

    Breaker(probes, waits(clock)).await_all()

    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "Kafka is away",
        "MongoDB is away",
        "MongoDB answers again",
    ]


@pytest.mark.parametrize("stop_at", [0.1, 30.0])
def test_a_stop_ends_the_waiting(stop_at):
    clock = HandClock()
    breaker = Breaker({"MongoDB": Server(clock, [(0, 1000)]).probe}, waits(clock, stop_at))

    with pytest.raises(Stopped):
        breaker.await_all()

    assert clock.monotonic() < stop_at + LONGEST_PAUSE
    assert breaker.away is None


def test_an_error_in_a_probe_that_is_no_outage_is_not_waited_out():
    def probe() -> None:
        raise ZeroDivisionError

    clock = HandClock()

    with pytest.raises(ZeroDivisionError):
        Breaker({"MongoDB": probe}, waits(clock)).await_all()

    assert clock.monotonic() == FIRST_PAUSE


def test_one_thread_probes_while_the_others_wait_for_it():
    # given a probe that lasts until it is let go, and counts who is in it
    inside, most, may_end = [], [], threading.Event()

    def probe() -> None:
        inside.append(threading.get_ident())
        most.append(len(inside))
        assert may_end.wait(60)
        inside.pop()

    breaker = Breaker({"MongoDB": probe}, lambda _: False)
    threads = [threading.Thread(target=breaker.await_all) for _ in range(4)]

    # when
    for thread in threads:
        thread.start()
    await_condition(lambda: bool(inside), "a probe")
    may_end.set()
    for thread in threads:
        thread.join(60)

    # then
    assert most == [1, 1, 1, 1]

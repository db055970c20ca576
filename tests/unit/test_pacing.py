"""Pacing by an absolute timetable, with a clock that the test moves."""

from dataclasses import replace

import numpy as np
import pytest
from clocks import HandClock
from fleets import START, simulated_fleet

from pipeline import checks
from pipeline.faults import FaultRates
from pipeline.messages import MessageMaker
from pipeline.pacing import Limits, Sender, Share
from pipeline.schedule import Pace, Schedule, stages
from pipeline.tally import Tally


class Notebook:
    """Takes messages and notes when; each one costs `cost` seconds, and while `closed(now)` there is no room."""

    def __init__(self, clock, *, cost=0.0, closed=lambda _now: False):
        self.clock, self.cost, self.closed = clock, cost, closed
        self.sent = []
        self.waiting = 0

    def send(self, messages):
        for number, message in enumerate(messages):
            if self.closed(self.clock.now):
                return messages[number:]
            self.clock.now += self.cost
            self.sent.append((self.clock.now - 1000.0, message))
        return []

    def serve(self, seconds):
        self.clock.sleep(seconds)


WHOLE = Share()


def run(fleet, limits, *, keep_going=lambda: True, share=WHOLE, paced=True, **book):
    clock = HandClock(1000.0)
    notebook, tally = Notebook(clock, **book), Tally()
    sender = Sender(notebook, tally, None, clock, keep_going)
    sender.run(fleet, MessageMaker(fleet, "00000000002a", START), share, limits, origin=1000.0, paced=paced)
    return notebook, clock


def staged_fleet(*rates):
    words = stages([checks.rate_change(rate) for rate in rates])
    fleet = simulated_fleet(100)
    schedule = Schedule(np.arange(100) / words[0].rate, np.full(100, 100 / words[0].rate), Pace(words))
    return replace(fleet, schedule=schedule)


@pytest.mark.parametrize("rates", [["100"], ["20000"], ["100", "20000@3", "10@5"]])
def test_every_reading_leaves_when_it_is_due(rates):
    fleet = staged_fleet(*rates)
    notebook, _ = run(fleet, Limits(duration=6))
    due = np.concatenate([readings.due for readings in _blocks(fleet, 6)])
    left = np.array([when for when, _ in notebook.sent])
    assert len(left) == len(due)
    assert (left >= due - 1e-9).all()
    # A tick of 2 ms, and what a float loses at 1000 s of uptime.
    assert (left - due).max() < 0.0021


def _blocks(fleet, seconds):
    for readings in fleet.readings():
        yield readings.select(readings.due < seconds)
        if readings.due[-1] >= seconds:
            return


def test_a_slow_broker_makes_readings_late_but_loses_none_and_the_timetable_does_not_drift():
    # given a broker that takes nothing between second 1 and second 3
    fleet = simulated_fleet(100, rate=500)
    notebook, _ = run(fleet, Limits(duration=8), closed=lambda now: 1001.0 <= now < 1003.0)
    # then every reading is sent once, in order
    ids = [(message.sensor, message.sequence) for _, message in notebook.sent]
    assert ids == [(number % 100, number // 100) for number in range(4000)]
    # and those due long after the outage are punctual again
    assert all(abs(when - number / 500) < 0.0021 for number, (when, _) in enumerate(notebook.sent) if number > 1600)


def test_a_sender_that_is_too_slow_is_late_but_complete():
    notebook, clock = run(simulated_fleet(100, rate=1000), Limits(count=5000), cost=0.002)
    assert len(notebook.sent) == 5000
    assert clock.now - 1000.0 == pytest.approx(10.0, rel=0.01)


def test_unpaced_sending_does_not_wait():
    notebook, clock = run(simulated_fleet(100, rate=10), Limits(count=5000), paced=False)
    assert len(notebook.sent) == 5000
    assert clock.now == 1000.0


def test_a_count_is_kept_exactly_also_across_processes():
    fleet = simulated_fleet(100, rate=1000)
    whole, _ = run(fleet, Limits(count=4321))
    parts = [run(fleet, Limits(count=4321), share=Share(part, 3))[0] for part in range(3)]
    assert len(whole.sent) == 4321
    together = {m.payload for part in parts for _, m in part.sent}
    assert together == {message.payload for _, message in whole.sent}
    assert sum(len(part.sent) for part in parts) == 4321


def test_a_duration_ends_on_time_even_when_the_last_reading_was_earlier():
    notebook, clock = run(simulated_fleet(10, rate=0.5), Limits(duration=5))
    assert len(notebook.sent) == 3
    assert clock.now - 1000.0 == pytest.approx(5.0, abs=0.003)


@pytest.mark.parametrize("paced", [True, False])
def test_a_last_rate_of_0_is_a_pause_that_a_duration_or_a_stop_ends(paced):
    notebook, clock = run(staged_fleet("100", "0@1"), Limits(duration=50), paced=paced)
    assert len(notebook.sent) == 100
    assert clock.now - 1000.0 == pytest.approx(50.0 if paced else 0.0, abs=0.003)

    looks = iter(range(1000))
    notebook, _ = run(staged_fleet("100", "0@1"), Limits(), keep_going=lambda: next(looks) < 900, paced=paced)
    assert len(notebook.sent) == 100


def test_duplicates_are_sent_twice_and_dropped_readings_not_at_all():
    fleet = simulated_fleet(100, faults=FaultRates(duplicate=0.1, dropped=0.2))
    notebook, _ = run(fleet, Limits(count=2000))
    assert len(notebook.sent) == 2000 + 200 - 400


def test_a_stop_ends_the_sending_at_once_also_while_there_is_no_room():
    looks = iter(range(1000))
    notebook, _ = run(
        simulated_fleet(100), Limits(), keep_going=lambda: next(looks) < 20, closed=lambda now: now > 1000.01
    )
    assert 0 < len(notebook.sent) < 100

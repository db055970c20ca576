"""What a producer says at its end."""

import logging
from datetime import UTC, datetime

import pytest
from clocks import HandClock
from fleets import simulated_fleet

from pipeline.broker import Connection
from pipeline.emulation import Job, Moment, emulate
from pipeline.pacing import Limits, Share
from pipeline.reporting import Reporter
from pipeline.tally import Tally

ORIGIN = 100.0


def job(*, paced=True, link=None):
    return Job(
        fleet=simulated_fleet(rate=500.0),
        run="5eed00c0ffee",
        limits=Limits(count=1000, duration=None),
        link=link,
        topic="readings",
        buffer=1000,
        linger=5.0,
        flush_timeout=30.0,
        ledger=None,
        paced=paced,
    )


def last_words(caplog, paced, waited):
    """What is logged of 1,000 readings that were handed over after 2 s, and acknowledged so much later."""
    caplog.set_level(logging.INFO)
    ended = ORIGIN + 2
    tally = Tally(sent=1000, acknowledged=1000, sending_ended=ended, awaiting_ended=ended + waited)
    Reporter(job(paced=paced, link=Connection("localhost:9092")), HandClock(1e6), 10.0, ORIGIN).final(tally)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("paced", "rate"), [(True, "500.0/s (asked 500.0/s)"), (False, "400.0/s")], ids=["timetable", "unpaced"]
)
def test_seconds_end_with_the_last_acknowledgement_and_a_timetable_with_the_last_message(caplog, paced, rate):
    first, *_ = last_words(caplog, paced, waited=0.5)
    assert first == f"finished after 2.500 s: 1,000 sent · {rate} · 1,000 acknowledged, 0 failed"


def test_a_long_wait_for_the_last_acknowledgements_is_told(caplog):
    first, *_, last = last_words(caplog, True, waited=3.0)
    assert first.startswith("finished after 5.000 s: ")
    assert last == "of that, the last acknowledgements took 3.0 s"


def test_a_rate_that_is_not_kept_is_a_warning_each_time_that_begins_and_at_the_end(caplog):
    clock = HandClock(ORIGIN)
    reporter = Reporter(job(link=Connection("localhost:9092")), clock, 10.0, ORIGIN)

    def warned(behind, tell=reporter.update):
        caplog.clear()
        clock.now += 10
        tell(Tally(sent=10, behind=behind, sending_ended=clock.now, awaiting_ended=clock.now))
        return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]

    late = "messages go out 3.4 s after their time: this process or the broker cannot keep that rate; "
    assert [[message.startswith(late) for message in warned(behind)] for behind in (0.2, 3.4, 9.0, 0.2, 3.4)] == [
        *([], [True], [], [], [True])
    ]
    assert len(warned(9.0, reporter.final)) == 1
    assert warned(0.2, reporter.final) == []


def test_how_late_the_last_message_went_out_is_noted_and_of_several_processes_the_latest_counts():
    clock = HandClock(ORIGIN + 5.0)

    tally = emulate(job(), Share(), clock, Moment(ORIGIN, datetime(2026, 3, 1, tzinfo=UTC)), lambda: False, lambda _: 0)
    total = Tally(behind=1.0)
    total.add(tally)

    # 1,000 readings at 500 a second, of which the last one was due after two.
    assert total.behind == tally.behind == pytest.approx(3.0, abs=0.01)


def test_of_several_processes_the_one_that_is_done_last_counts():
    total = Tally(sending_ended=3.0, awaiting_ended=4.0)
    total.add(Tally(sending_ended=2.0, awaiting_ended=5.0))
    assert (total.sending_ended, total.awaiting_ended) == (3.0, 5.0)


def test_a_run_notes_when_it_had_sent_and_when_nothing_was_waited_for_any_more(capsys):
    clock = HandClock(ORIGIN)
    moment = Moment(ORIGIN, datetime(2026, 3, 1, tzinfo=UTC))
    tally = emulate(job(), Share(), clock, moment, lambda: False, lambda _: None)
    assert len(capsys.readouterr().out.splitlines()) == 1000
    assert ORIGIN < tally.sending_ended <= tally.awaiting_ended == clock.now

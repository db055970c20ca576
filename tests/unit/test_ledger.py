"""The ledger: what goes in comes out, whatever the order, also after a crash and from several processes."""

import multiprocessing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import ledger
from pipeline.console import UserError
from pipeline.faults import Fault
from pipeline.messages import Message

RUN = "00000000002a"


def about(run=RUN):
    return ledger.RunLine(
        run=run, version=1, seed=1, start="2026-03-01T12:00:00+00:00", topic="sensor-data", sensors=100
    )


def message(sensor, sequence, fault=Fault.NONE):
    return Message(b"sensor", b"{}", sensor, sequence, 0, False, fault)


readings = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 60), st.sampled_from(Fault)),
    max_size=200,
    unique_by=lambda r: r[:2],
)


@settings(max_examples=60)
@given(readings=readings, flush_every=st.integers(1, 50))
def test_what_was_acknowledged_is_read_back(tmp_path_factory, readings, flush_every):
    path = tmp_path_factory.mktemp("ledger") / "run.jsonl"
    ledger.begin(path, about())
    writer = ledger.LedgerWriter(path, RUN)
    for number, (sensor, sequence, fault) in enumerate(readings):
        one = message(sensor, sequence, fault)
        if fault == Fault.DROPPED:
            writer.dropped(one)
        else:
            for _ in range(2 if fault == Fault.DUPLICATE else 1):
                writer.sent(1)
                writer.acknowledged(one, sensor % 3, number)
        if number % flush_every == 0:
            writer.write()
    writer.close()

    record = ledger.read(path)[RUN]
    kinds = {kind: {r[:2] for r in readings if r[2] == kind} for kind in Fault}
    stored = {(s, q) for s, ranges in record.ranges.items() for first, last in ranges for q in range(first, last + 1)}
    assert stored == kinds[Fault.NONE] | kinds[Fault.LATE] | kinds[Fault.DUPLICATE]
    assert record.readings == len(stored)
    assert (record.late, record.duplicate, record.dropped) == (
        kinds[Fault.LATE],
        kinds[Fault.DUPLICATE],
        kinds[Fault.DROPPED],
    )
    assert set(record.malformed) == kinds[Fault.MALFORMED]
    sent = sum(2 if r[2] == Fault.DUPLICATE else 1 for r in readings if r[2] != Fault.DROPPED)
    assert (record.sent, record.acknowledged, record.failed) == (sent, sent, 0)
    assert record.about == about()


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20))))
def test_ranges_are_merged_without_losing_or_inventing_a_sequence(pairs):
    ranges = [(first, first + length) for first, length in pairs]
    merged = ledger.merge_ranges(ranges)
    content = {q for first, last in ranges for q in range(first, last + 1)}
    assert {q for first, last in merged for q in range(first, last + 1)} == content
    assert merged == ledger.to_ranges(content)


def test_a_line_that_a_crash_cut_off_is_left_out_and_the_next_run_stands_alone(tmp_path):
    path = tmp_path / "run.jsonl"
    ledger.begin(path, about())
    writer = ledger.LedgerWriter(path, RUN)
    writer.sent(1)
    writer.acknowledged(message(1, 0), 0, 0)
    writer.close()
    with path.open("ab") as file:
        file.write(b'{"line":"entry","run":"00000000002a","se')
    assert ledger.read(path)[RUN].readings == 1

    ledger.begin(path, about("0000000000ff"))
    runs = ledger.read(path)
    assert list(runs) == [RUN, "0000000000ff"]
    assert runs[RUN].readings == 1


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b'{"line":"entry","run":"0000000000ff"}',
        b'{"line":"run"}',
        b'{"line":"entry","run":"00000000002a","x":1}',
    ],
)
def test_a_file_that_is_no_ledger_is_refused_with_its_line(tmp_path, line):
    path = tmp_path / "run.jsonl"
    ledger.begin(path, about())
    with path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(UserError, match="line 2"):
        ledger.read(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        ledger.begin(tmp_path / "missing" / "run.jsonl", about())


def _write_many(path, part):
    writer = ledger.LedgerWriter(path, RUN)
    for sequence in range(300):
        writer.sent(1)
        writer.acknowledged(message(part, sequence), 0, sequence)
        writer.write()
    writer.close()


def test_lines_of_several_processes_do_not_mix(tmp_path):
    path = tmp_path / "run.jsonl"
    ledger.begin(path, about())
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(path, part)) for part in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    record = ledger.read(path)[RUN]
    assert record.ranges == {0: [(0, 299)], 1: [(0, 299)], 2: [(0, 299)]}


def test_a_run_has_ended_when_its_producer_said_so_last(tmp_path):
    path = tmp_path / "run.jsonl"
    ledger.begin(path, about())
    assert not ledger.read(path)[RUN].ended

    ledger.end(path, RUN)
    assert ledger.read(path)[RUN].ended

    ledger.begin(path, about())
    assert not ledger.read(path)[RUN].ended


def test_a_long_run_stays_one_range_a_sensor_while_it_is_read(tmp_path):
    path = tmp_path / "run.jsonl"
    ledger.begin(path, about())
    writer = ledger.LedgerWriter(path, RUN)
    for sequence in range(50):
        writer.acknowledged(message(3, sequence), 0, sequence)
        writer.write()
    writer.close()

    assert ledger.read(path)[RUN].ranges == {3: [(0, 49)]}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('"ranges":{"0":[[5,4]]}', r"the range \[5, 4\] of sensor 0 ends before it begins"),
        ('"ranges":{"-1":[[0,4]]}', "-1 is no sensor's number"),
        ('"ranges":{"0":[[-1,4]]}', "line 2"),
        ('"acknowledged":4,"ranges":{"0":[[0,4]]}', "names more readings than it says were acknowledged"),
    ],
)
def test_a_ledger_that_contradicts_itself_is_damaged(tmp_path, entry, problem):
    path = tmp_path / "run.jsonl"
    ledger.begin(path, about())
    with path.open("a") as file:
        file.write(f'{{"line":"entry","run":"{RUN}",{entry}}}\n')

    with pytest.raises(UserError, match=problem):
        ledger.read(path)

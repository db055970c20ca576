"""The ledger: what a producer run sent and had acknowledged, for the comparison with what is stored.

A file of JSON lines that only grows; several processes may append to it at once. Per run one line that describes it,
then, every few seconds, a line with what happened since the last one: acknowledged sequences as ranges per sensor,
and what was done to readings on purpose; and a line at its end.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from pipeline.console import UserError
from pipeline.faults import Fault
from pipeline.messages import Message

VERSION = 1
WRITE_INTERVAL_SECONDS = 5.0

# Together they fit into 63 bits, so that whoever compares may work with arrays of whole numbers.
SENSOR_LIMIT, SEQUENCE_LIMIT = 2**25, 2**38

Sensor = Annotated[int, msgspec.Meta(ge=0, lt=SENSOR_LIMIT)]
Sequence = Annotated[int, msgspec.Meta(ge=0, lt=SEQUENCE_LIMIT)]
Count = Annotated[int, msgspec.Meta(ge=0)]
SensorSequence = tuple[Sensor, Sequence]
SequenceRange = tuple[Sequence, Sequence]


class RunLine(msgspec.Struct, kw_only=True, tag="run", tag_field="line", forbid_unknown_fields=True):
    """A run begins: `sensors` is the fleet's size, `start` the ISO 8601 timestamp of the timetable's instant 0."""

    run: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]
    version: Annotated[int, msgspec.Meta(ge=1, le=VERSION)]
    seed: int
    start: str
    topic: str
    sensors: int


class EntryLine(msgspec.Struct, kw_only=True, tag="entry", tag_field="line", forbid_unknown_fields=True):
    """What happened since the entry before.

    `sent`, `acknowledged` and `failed` count messages. `ranges` holds per sensor number the acknowledged sequences as
    [first, last]. The others list [sensor number, sequence], `malformed` with partition and offset behind, −1 where the
    broker did not tell them.
    """

    run: str
    sent: Count = 0
    acknowledged: Count = 0
    failed: Count = 0
    ranges: dict[str, list[SequenceRange]] = {}
    late: list[SensorSequence] = []
    duplicate: list[SensorSequence] = []
    dropped: list[SensorSequence] = []
    lost: list[SensorSequence] = []
    malformed: list[tuple[Sensor, Sequence, int, int]] = []


class EndLine(msgspec.Struct, kw_only=True, tag="end", tag_field="line", forbid_unknown_fields=True):
    """The producer ended by itself: nothing more comes of this run."""

    run: str


_decoder = msgspec.json.Decoder(RunLine | EntryLine | EndLine)


def to_ranges(sequences: Iterable[int]) -> list[SequenceRange]:
    """Sequences, in any order and repeated or not, as sorted ranges [first, last] without overlap."""
    ranges: list[SequenceRange] = []
    for sequence in sorted(set(sequences)):
        if ranges and ranges[-1][1] == sequence - 1:
            ranges[-1] = (ranges[-1][0], sequence)
        else:
            ranges.append((sequence, sequence))
    return ranges


def merge_ranges(ranges: Iterable[SequenceRange]) -> list[SequenceRange]:
    """Ranges in any order, overlapping or not, as sorted ranges without overlap or touch."""
    merged: list[SequenceRange] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


class LedgerWriter:
    """Collects what happens and appends it to the file in whole lines. Not for several threads."""

    def __init__(self, path: Path, run: str) -> None:
        self._run = run
        self._acknowledged: dict[int, list[int]] = defaultdict(list)
        self._entry = EntryLine(run=run)
        self._next_write = 0.0
        # One write call a line on a file opened for appending: lines of several processes do not mix.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def sent(self, count: int) -> None:
        """So many messages were handed to the Kafka client for the first time."""
        self._entry.sent += count

    def acknowledged(self, message: Message, partition: int, offset: int) -> None:
        """The broker acknowledged a message."""
        entry, place = self._entry, (message.sensor, message.sequence)
        entry.acknowledged += 1
        if message.fault == Fault.MALFORMED:
            entry.malformed.append((*place, partition, offset))
            return
        self._acknowledged[message.sensor].append(message.sequence)
        if message.fault == Fault.LATE:
            entry.late.append(place)
        elif message.fault == Fault.DUPLICATE:
            entry.duplicate.append(place)

    def dropped(self, message: Message) -> None:
        """A reading was left out on purpose."""
        self._entry.dropped.append((message.sensor, message.sequence))

    def failed(self, message: Message) -> None:
        """The broker refused a message for good."""
        self._entry.failed += 1
        self._entry.lost.append((message.sensor, message.sequence))

    def write_if_due(self, now: float) -> None:
        """Append what was collected, every few seconds; `now` is the monotonic clock."""
        if now >= self._next_write:
            self._next_write = now + WRITE_INTERVAL_SECONDS
            self.write()

    def write(self) -> None:
        """Append what was collected."""
        self._entry.ranges = {str(sensor): to_ranges(those) for sensor, those in self._acknowledged.items()}
        if self._entry != EntryLine(run=self._run):
            _append(self._file, self._entry)
            self._acknowledged.clear()
            self._entry = EntryLine(run=self._run)

    def close(self) -> None:
        """Append the rest and close the file."""
        self.write()
        os.close(self._file)


def begin(path: Path, line: RunLine) -> None:
    """Append a run's first line. A line that a crash cut off is removed, so that the new one stands alone."""
    try:
        with path.open("a+b") as file:
            content_end = _end_of_whole_lines(file.fileno())
            file.truncate(content_end)
            _append(file.fileno(), line)
    except OSError as error:
        raise UserError(f"the ledger {path} cannot be written: {error.strerror}; name another with --ledger") from None


def end(path: Path, run: str) -> None:
    """Append a run's last line; raises UserError when the file cannot be written."""
    try:
        with path.open("ab", buffering=0) as file:
            _append(file.fileno(), EndLine(run=run))
    except OSError as error:
        raise UserError(f"the ledger {path} cannot be written: {error.strerror}; it lacks the run's end") from None


def _end_of_whole_lines(file: int) -> int:
    end = os.fstat(file).st_size
    while end > 0:
        begin_at = max(end - 65_536, 0)
        newline = os.pread(file, end - begin_at, begin_at).rfind(b"\n")
        if newline >= 0:
            return begin_at + newline + 1
        end = begin_at
    return 0


def _append(file: int, line: RunLine | EntryLine | EndLine) -> None:
    data = msgspec.json.encode(line) + b"\n"
    while data:
        data = data[os.write(file, data) :]


@dataclass
class RunRecord:
    """All that a ledger knows of a run. `ranges` holds per sensor number the acknowledged sequences.

    A run that has not `ended` goes on, or its producer was killed.
    """

    about: RunLine
    ended: bool = False
    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    ranges: dict[int, list[SequenceRange]] = field(default_factory=dict)
    late: set[SensorSequence] = field(default_factory=set)
    duplicate: set[SensorSequence] = field(default_factory=set)
    dropped: set[SensorSequence] = field(default_factory=set)
    lost: set[SensorSequence] = field(default_factory=set)
    malformed: dict[SensorSequence, tuple[int, int]] = field(default_factory=dict)

    @property
    def readings(self) -> int:
        """How many different readings were acknowledged."""
        return sum(last - first + 1 for ranges in self.ranges.values() for first, last in ranges)


def read(path: Path) -> dict[str, RunRecord]:
    """The runs of a ledger by name, in order; raises UserError when the file is no ledger.

    A last line that a crash cut off is left out: what it said was acknowledged is then stored and unknown here.
    """
    runs: dict[str, RunRecord] = {}
    try:
        with path.open("rb") as lines:
            for number, text in enumerate(lines, start=1):
                if text.endswith(b"\n"):
                    _read_line(runs, text, f"{path}, line {number}")
    except OSError as error:
        raise UserError(f"the ledger {path} cannot be read: {error.strerror}") from None
    for run, record in runs.items():
        record.ranges = {sensor: merge_ranges(ranges) for sensor, ranges in sorted(record.ranges.items())}
        if record.readings + len(record.malformed) > record.acknowledged:
            raise UserError(
                f"{path} is damaged: of run {run} it names more readings than it says were acknowledged; "
                "it cannot be relied on"
            )
    return runs


def _read_line(runs: dict[str, RunRecord], text: bytes, where: str) -> None:
    try:
        line = _decoder.decode(text)
        if isinstance(line, RunLine):
            runs.setdefault(line.run, RunRecord(line)).ended = False
        elif isinstance(line, EndLine):
            runs[line.run].ended = True
        else:
            _add(runs[line.run], line)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise UserError(f"{where}: is no line of a ledger: {error}") from None


def _add(record: RunRecord, entry: EntryLine) -> None:
    record.sent += entry.sent
    record.acknowledged += entry.acknowledged
    record.failed += entry.failed
    for sensor, ranges in entry.ranges.items():
        known = record.ranges.setdefault(_sensor(sensor), [])
        for first, last in ranges:
            if last < first:
                raise ValueError(f"the range [{first}, {last}] of sensor {sensor} ends before it begins")
            # Mostly an entry goes on where the one before ended: a long run stays one range a sensor.
            if known and known[-1][1] + 1 == first:
                known[-1] = (known[-1][0], last)
            else:
                known.append((first, last))
    record.late.update(entry.late)
    record.duplicate.update(entry.duplicate)
    record.dropped.update(entry.dropped)
    record.lost.update(entry.lost)
    record.malformed.update({(sensor, sequence): (p, o) for sensor, sequence, p, o in entry.malformed})


def _sensor(text: str) -> int:
    number = int(text)
    if not 0 <= number < SENSOR_LIMIT:
        raise ValueError(f"{number} is no sensor's number")
    return number

"""The `_id` of every document: made of what the record itself says, so that a repeated write meets the first one."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bson import Binary
from bson.binary import UUID_SUBTYPE

_EVENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_RUN = re.compile(r"[0-9a-f]{12}\Z")


def reading_id(event_id: str) -> Binary:
    """A reading's event_id (a UUID in canonical lower case) as BSON's binary UUID, 16 bytes; raises ValueError."""
    if not _EVENT_ID.match(event_id):
        raise ValueError(f"event_id '{event_id[:40]}' is no UUID in canonical lower case")
    return judged_id(event_id)


def judged_id(event_id: str) -> Binary:
    """The same of an event_id that the codec has found to be one."""
    return Binary(bytes.fromhex(event_id.replace("-", "")), UUID_SUBTYPE)


def event_id(stored: Binary) -> str:
    """The event_id of a stored reading."""
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def run_range(run: str) -> tuple[Binary, Binary]:
    """The first and the last `_id` that a reading of a run can have (see event_ids.py).

    Raises ValueError unless the run is 12 hexadecimal digits.
    """
    if not _RUN.match(run):
        raise ValueError(f"'{run[:40]}' is no run of ours: 12 hexadecimal digits")
    first, last = (bytes.fromhex(run + rest) for rest in ("0" * 20, "f" * 20))
    return Binary(first, UUID_SUBTYPE), Binary(last, UUID_SUBTYPE)


def window_id(start: datetime, sensor_type: str, location: str) -> str:
    """A window of a sensor type at a location."""
    return _joined(instant_text(start), sensor_type, location)


def alarm_id(sensor_id: str, alert_type: str, first_seen: datetime) -> str:
    """An alarm of a sensor and a rule, by the instant of its first alert."""
    return _joined(sensor_id, alert_type, instant_text(first_seen))


def alarm_parts(alarm: str) -> tuple[str, str, datetime]:
    """Sensor, rule and first instant in an alarm's `_id`; raises ValueError for any other text."""
    parts = alarm.split("|")
    if len(parts) != 3:
        raise ValueError(f"'{alarm[:80]}' is no alarm's id: sensor|rule|instant")
    sensor_id, alert_type, first_seen = (_unescaped(part) for part in parts)
    return sensor_id, alert_type, datetime.fromisoformat(first_seen)


def dead_letter_id(topic: str, partition: int, offset: int) -> str:
    """A refused message, by the place where it stood."""
    return f"{topic}-{partition}-{offset}"


def instant_text(moment: datetime) -> str:
    """An instant in UTC with milliseconds, as MongoDB keeps it: 2026-03-01T12:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _joined(*parts: str) -> str:
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)


def _unescaped(part: str) -> str:
    return part.replace("%7C", "|").replace("%25", "%")

"""Messages and what the wire contract says of them: one table for everything that judges messages.

Data alone: each case has a name, a message's value (None: a null value) and the code of its refusal (None: accepted).
All are judged as records whose Kafka timestamp is KAFKA_TIMESTAMP_MS, with MAX_AHEAD seconds allowed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

# 2026-01-31T08:00:00Z
KAFKA_TIMESTAMP_MS = 1_769_846_400_000
MAX_AHEAD = 10.0

EVENT_ID = "5eed0000-0001-8000-8000-000100000002"
TIMESTAMP = "2026-01-31T08:00:00.123456Z"
# A reading's fields as pieces of JSON text, so that a case can say exactly what stands in the message.
REQUIRED = {
    "event_id": f'"{EVENT_ID}"',
    "timestamp": f'"{TIMESTAMP}"',
    "sensor_id": '"sensor_0042"',
    "sensor_type": '"temperature"',
    "value": "21.5",
}
OPTIONAL = {
    "schema_version": "1",
    "run": '"5eed00000001"',
    "sequence": "7",
    "unit": '"°C"',
    "location": '"factory-floor-a1"',
    "status": '"normal"',
    "metadata": '{"sensor_model":"MODEL_01","battery_level":88}',
}


class Case(NamedTuple):
    """A message and the code of its refusal, or None when it is accepted."""

    name: str
    payload: bytes | None
    refusal: str | None


def message(*, without: tuple[str, ...] = (), **changes: str) -> bytes:
    """A whole reading with some fields' JSON text changed, added or left out."""
    fields = {**OPTIONAL, **REQUIRED, **changes}
    return ("{" + ",".join(f'"{name}":{text}' for name, text in fields.items() if name not in without) + "}").encode()


WHOLE = message()
MINIMAL = message(without=tuple(OPTIONAL))


def _field(field: str, text: str, refusal: str | None, name: str = "") -> Case:
    return Case(f"{field}: {name or text}", message(**{field: text}), refusal)


def _with_prefix(prefix: str) -> bytes:
    """The whole reading with more fields before its own."""
    return ("{" + prefix + ",").encode() + WHOLE[1:]


_ACCEPTED = (
    Case("every field", WHOLE, None),
    Case("the required fields alone", MINIMAL, None),
    Case("JSON's white space around and within", b" \t\r\n" + WHOLE.replace(b",", b" ,\n\t") + b"\r\n ", None),
    Case("an unknown field", _with_prefix('"firmware":"1.2"'), None),
    Case("an unknown field with structure", _with_prefix('"extra":{"a":[1,{"b":null}]}'), None),
    Case("a field name written with an escape", WHOLE.replace(b'"value"', b'"valu\\u0065"'), None),
    Case("every optional field null", message(**dict.fromkeys(OPTIONAL, "null")), None),
    Case("a field twice: the last counts", _with_prefix('"value":5'), None),
    Case("a field twice: the last counts, even after a wrong one", _with_prefix('"value":"wrong"'), None),
    Case("nested 128 deep", message(metadata='{"a":' + "[" * 126 + "]" * 126 + "}"), None),
    Case("129 deep in unknown text alone", _with_prefix('"extra":"' + "[{" * 200 + '"'), None),
    Case("many brackets, none deep", _with_prefix('"extra":[' + "[]," * 500 + "[]]"), None),
    Case("a field name of 49,999 characters", _with_prefix('"' + "n" * 49_999 + '":1'), None),
    Case("a number of 1,000 digits in an unknown field", _with_prefix('"extra":' + "1" * 1000), None),
    Case("a fraction of 1,000 digits in an unknown field", _with_prefix('"extra":-1.' + "1" * 999), None),
    Case("900 kB of metadata", message(metadata='{"a":"' + "x" * 900_000 + '"}'), None),
    Case("an escape and no optional field", message(without=tuple(OPTIONAL), sensor_id='"hall\\/3"'), None),
    Case("an escape and nulls", message(**dict.fromkeys(OPTIONAL, "null"), sensor_id='"hall\\/3"'), None),
    Case("a solidus with an escape", message(location='"hall\\/3"'), None),
    Case("a backslash before what looks like half a pair", message(location='"hall\\\\ud800"'), None),
    Case("a pair in small and capital letters", message(location='"\\uD83d\\uDe00"'), None),
    Case(
        "names that look like other JSON", message(sensor_id='"42"', unit='"1e3"', location='"[1]"', run='"true"'), None
    ),
    Case("a sensor called null", message(sensor_id='"null"', location='"{}"', sensor_type='"-0.5"'), None),
    Case("names with braces and quotes", message(sensor_id='"}"', location='"{\\"a\\":1}"', unit='"~"'), None),
    Case("an unknown field called end", _with_prefix('"end":0,"~end":1,"":2,"~":3'), None),
    Case("a known name within metadata and beside it", message(metadata='{"value":"x","metadata":[]}'), None),
    Case(
        "metadata before the rest",
        _with_prefix('"metadata":{"a":1}').replace(b',"metadata":{"sensor', b',"m":{"s'),
        None,
    ),
    Case("metadata twice", _with_prefix('"metadata":"x"'), None),
    Case("an unknown object and no metadata", _with_prefix('"extra":{"a":1}').replace(b'"metadata"', b'"m"'), None),
)

_NOT_A_READING = (
    Case("a null value", None, "null_message"),
    Case("an empty value", b"", "not_json"),
    Case("white space alone", b" \n", "not_json"),
    Case("the word null", b"null", "not_json"),
    Case("a number", b"21.5", "not_json"),
    Case("a string", b'"temperature"', "not_json"),
    Case("an array", b"[" + WHOLE + b"]", "not_json"),
    Case("an empty object", b"{}", "missing_field"),
    Case("plain words", b"sensor_0042 21.5", "not_json"),
    Case("text after the object", WHOLE + b" trailing", "not_json"),
    Case("two objects", WHOLE + WHOLE, "not_json"),
    Case("two objects with a comma", WHOLE + b"," + WHOLE, "not_json"),
    Case("a brace too many", WHOLE + b"}", "not_json"),
    Case("a brace too many, without metadata", MINIMAL + b"}", "not_json"),
    Case("a bracket too many", WHOLE + b"]", "not_json"),
    Case("what would end an array around it", WHOLE + b',{"end":0}] and more', "not_json"),
    Case("what would end an object around it", WHOLE + b'],"x":[' + WHOLE, "not_json"),
    Case("an open string after it", WHOLE + b',"', "not_json"),
    Case("a brace in a string and one too many", _with_prefix('"extra":"{"') + b"}", "not_json"),
    Case(
        "a brace in a string, metadata that is none and one too many",
        message(metadata='"{a"') + b"}",
        "not_json",
    ),
    Case("two lines", WHOLE + b"\n" + WHOLE, "not_json"),
    Case("cut off", WHOLE[:-10], "not_json"),
    Case("cut off in the middle", WHOLE[: len(WHOLE) // 2], "not_json"),
    Case("single quotes", WHOLE.replace(b'"', b"'"), "not_json"),
    Case("names without quotes", MINIMAL.replace(b'"value"', b"value"), "not_json"),
    Case("a comma before the end", WHOLE[:-1] + b",}", "not_json"),
    Case("a comma missing", WHOLE.replace(b",", b" ", 1), "not_json"),
    Case("a comment", b"/* reading */" + WHOLE, "not_json"),
    Case("a comment at the line's end", WHOLE + b" // reading", "not_json"),
    Case("a byte-order mark", b"\xef\xbb\xbf" + WHOLE, "not_json"),
    Case("a NUL byte after it", WHOLE + b"\x00", "not_json"),
    Case("a form feed before it", b"\x0c" + WHOLE, "not_json"),
    Case("a no-break space before it", b"\xc2\xa0" + WHOLE, "not_json"),
    Case("UTF-16", WHOLE.decode().encode("utf-16"), "not_utf8"),
    Case("UTF-16 without a mark", MINIMAL.decode().encode("utf-16-le"), "not_json"),
    Case("Latin-1", WHOLE.decode().encode("latin-1"), "not_utf8"),
    Case("a byte that is not UTF-8", _with_prefix('"extra":"?"').replace(b"?", b"\xff"), "not_utf8"),
    Case("an overlong UTF-8 form", _with_prefix('"extra":"?"').replace(b"?", b"\xc0\xaf"), "not_utf8"),
    Case("a surrogate in UTF-8", _with_prefix('"extra":"?"').replace(b"?", b"\xed\xa0\x80"), "not_utf8"),
    Case("binary", bytes(range(256)), "not_utf8"),
    Case("nested a hundred thousand deep", b"[" * 100_000, "not_json"),
    Case("metadata nested a hundred thousand deep", message(metadata='{"a":' + "[" * 100_000), "not_json"),
    Case("closed, nested a hundred thousand deep", _with_prefix('"a":' + "[" * 100_000 + "]" * 100_000), "not_json"),
    Case("nested 129 deep", message(metadata='{"a":' + "[" * 127 + "]" * 127 + "}"), "not_json"),
    Case("nested 129 deep in an unknown field", _with_prefix('"extra":' + '{"a":[' * 64 + "]}" * 64), "not_json"),
    Case("a field name of 50,000 characters", _with_prefix('"' + "n" * 50_000 + '":1'), "not_json"),
    Case("a field name of 50,000 in UTF-16", _with_prefix('"' + "\N{GRINNING FACE}" * 25_000 + '":1'), "not_json"),
    Case("a number of 1,001 digits in an unknown field", _with_prefix('"extra":' + "1" * 1001), "not_json"),
    Case("a fraction of 1,001 digits in an unknown field", _with_prefix('"extra":-1.' + "1" * 1000), "not_json"),
    Case("900 kB of one letter", b"x" * 900_000, "not_json"),
    Case("a raw newline in a string", message(location='"hall\n3"'), "not_json"),
    Case("a raw newline for a quote", WHOLE.replace(b'"temperature"', b'"temperature\n'), "not_json"),
    Case("a raw control character for an optional field's quote", WHOLE.replace(b'C",', b"C\x12,"), "not_json"),
    Case("the same in metadata", WHOLE.replace(b'MODEL_01"', b"MODEL_01\x12"), "not_json"),
    Case("the same in an unknown field", _with_prefix('"extra":"\x12'), "not_json"),
    Case("a raw tab in an unknown field", _with_prefix('"extra":"a\tb"'), "not_json"),
    Case("an unknown escape", _with_prefix('"extra":"\\q"'), "not_json"),
    Case("a short unicode escape", _with_prefix('"extra":"\\u12"'), "not_json"),
    Case("half a surrogate pair in a field", message(sensor_id='"\\ud800"'), "not_json"),
    Case("half a surrogate pair in an unknown field", _with_prefix('"extra":"\\ud800"'), "not_json"),
    Case("half a surrogate pair in metadata", message(metadata='{"a":"\\udc00"}'), "not_json"),
    Case("half a surrogate pair in a name", _with_prefix('"\\ud800":1'), "not_json"),
    Case("half a surrogate pair in a field that a later one replaces", _with_prefix('"unit":"\\ud800"'), "not_json"),
    Case("two halves with a backslash between", message(location='"\\ud83d\\\\\\ude00"'), "not_json"),
    Case("a surrogate pair the wrong way round", message(location='"\\udc00\\ud800"'), "not_json"),
    Case("NaN in an unknown field", _with_prefix('"extra":NaN'), "not_json"),
    Case("-Infinity in metadata", message(metadata='{"a":[-Infinity]}'), "not_json"),
    Case("a leading zero in an unknown field", _with_prefix('"extra":01'), "not_json"),
    Case("True as Python writes it", _with_prefix('"extra":True'), "not_json"),
)

_MISSING = (
    *(Case(f"without {name}", message(without=(name,)), "missing_field") for name in REQUIRED),
    *(Case(f"{name}: null", message(**{name: "null"}), "missing_field") for name in REQUIRED),
    Case("value given, then null", _with_prefix('"value":1').replace(b":21.5", b":null"), "missing_field"),
    Case("names in capitals", MINIMAL.replace(b'"value"', b'"Value"'), "missing_field"),
    Case("names with a space", MINIMAL.replace(b'"value"', b'" value"'), "missing_field"),
    # The same fault whatever the order of the fields: what is missing comes before what is wrong.
    Case("value missing and a wrong field before it", message(without=("value",), event_id="5"), "missing_field"),
    Case("value missing and a wrong field after it", message(without=("value",), status="5"), "missing_field"),
)

_VERSION = (
    _field("schema_version", "2", "unknown_schema_version"),
    _field("schema_version", "0", "unknown_schema_version"),
    _field("schema_version", "-1", "unknown_schema_version"),
    _field("schema_version", '"1"', "unknown_schema_version"),
    _field("schema_version", "true", "unknown_schema_version"),
    _field("schema_version", "1.0", "unknown_schema_version"),
    _field("schema_version", "[1]", "unknown_schema_version"),
    _field("schema_version", "1" + "0" * 30, "unknown_schema_version", "a large number"),
    _field("schema_version", "null", None),
    # A later version may have other fields, so it is named before anything that is missing.
    Case("version 2 without a value", message(without=("value",), schema_version="2"), "unknown_schema_version"),
)

_VALUE = (
    _field("value", "0", None),
    _field("value", "-0", None),
    _field("value", "-0.0", None),
    _field("value", "21", None),
    _field("value", "-40.25", None),
    _field("value", "1e3", None),
    _field("value", "1E+3", None),
    _field("value", "2.5e-3", None),
    _field("value", "1.7976931348623157e308", None),
    _field("value", "5e-324", None),
    _field("value", "1e-400", None),
    _field("value", "123456789012345678901234567890", None),
    _field("value", "0.1000000000000000055511151231257827", None),
    _field("value", "1e400", "value_not_finite"),
    _field("value", "-1e400", "value_not_finite"),
    _field("value", "1.8e308", "value_not_finite"),
    _field("value", "1" + "0" * 400, "value_not_finite", "an integer of 401 digits"),
    _field("value", "1" + "0" * 999, "value_not_finite", "an integer of 1000 digits"),
    _field("value", "0." + "0" * 999 + "1", None, "a fraction of 1000 digits"),
    _field("value", "1" + "0" * 5000, "not_json", "an integer of 5001 digits"),
    _field("value", "NaN", "not_json"),
    _field("value", "nan", "not_json"),
    _field("value", "Infinity", "not_json"),
    _field("value", "-Infinity", "not_json"),
    _field("value", '"21.5"', "bad_field"),
    _field("value", '"NaN"', "bad_field"),
    _field("value", "true", "bad_field"),
    _field("value", "false", "bad_field"),
    _field("value", "[21.5]", "bad_field"),
    _field("value", '{"v":21.5}', "bad_field"),
    _field("value", '""', "bad_field"),
    _field("value", "01", "not_json"),
    _field("value", ".5", "not_json"),
    _field("value", "5.", "not_json"),
    _field("value", "+5", "not_json"),
    _field("value", "0x1f", "not_json"),
    _field("value", "1_000", "not_json"),
    _field("value", "21,5", "not_json"),
    _field("value", "٢", "not_json", "an Arabic digit"),
    Case("value right, then wrong", _with_prefix('"value":1').replace(b":21.5", b':"x"'), "bad_field"),
    Case(
        "a value beyond 64 bits and a timestamp of 1999",
        message(value="1e400", timestamp='"1999-01-01T00:00:00Z"'),
        "value_not_finite",
    ),
)

_TIMESTAMP = (
    *(
        _field("timestamp", f'"{text}"', None)
        for text in (
            "2026-01-31T08:00:00Z",
            "2026-01-31T08:00:00.1Z",
            "2026-01-31T08:00:00.123456789Z",
            "2026-01-31T09:00:00+01:00",
            "2026-01-31T02:30:00.5-05:30",
            "2026-01-31T08:00:00-00:00",
            "2026-01-31T08:00:00+00:00",
            "2026-02-01T02:00:00+18:00",
            "2026-01-30T14:00:00-18:00",
            "2000-01-01T00:00:00Z",
            "2024-02-29T12:00:00Z",
            "2025-12-31T23:59:59.999999Z",
            # Exactly as far ahead as is allowed, also in another zone and beyond microseconds, which are cut off.
            "2026-01-31T08:00:10Z",
            "2026-01-31T08:00:10.000000Z",
            "2026-01-31T08:00:10.000000999Z",
            "2026-02-01T02:00:10+18:00",
        )
    ),
    *(
        _field("timestamp", f'"{text}"', "bad_field")
        for text in (
            "",
            "now",
            "today",
            "epoch",
            "2026",
            "2026-01",
            "2026-01-31",
            "2026-01-31T08:00Z",
            "2026-01-31T08Z",
            "2026-01-31T08:00:00",
            "2026-01-31T08:00:00.123456",
            "2026-01-31 08:00:00Z",
            "2026-01-31_08:00:00Z",
            "2026-01-31t08:00:00Z",
            "2026-01-31T08:00:00z",
            "2026-01-31T08:00:00,5Z",
            "2026-01-31T08:00:00.Z",
            "2026-01-31T08:00:00.1234567890Z",
            "20260131T080000Z",
            "2026-W05-6T08:00:00Z",
            "2026-031T08:00:00Z",
            "2026-1-31T08:00:00Z",
            "26-01-31T08:00:00Z",
            "+2026-01-31T08:00:00Z",
            "-2026-01-31T08:00:00Z",
            "12026-01-31T08:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-00-31T08:00:00Z",
            "2026-13-31T08:00:00Z",
            "2026-01-00T08:00:00Z",
            "2026-01-32T08:00:00Z",
            "2026-02-30T08:00:00Z",
            "2025-02-29T08:00:00Z",
            "2026-04-31T08:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T25:00:00Z",
            "2026-01-31T08:60:00Z",
            "2016-12-31T23:59:60Z",
            "2026-01-31T08:00:00+0100",
            "2026-01-31T08:00:00+01",
            "2026-01-31T08:00:00+1:00",
            "2026-01-31T08:00:00+18:01",
            "2026-01-31T08:00:00+19:00",
            "2026-01-31T08:00:00-23:00",
            "2026-01-31T08:00:00+01:60",
            "2026-01-31T08:00:00+01:00:30",
            "2026-01-31T08:00:00 Z",
            "2026-01-31T08:00:00ZZ",
            "2026-01-31T08:00:00UTC",
            "2026-01-31T08:00:00[Europe/Berlin]",
            " 2026-01-31T08:00:00Z",
            "2026-01-31T08:00:00Z ",
            "2026-01-31T08:00:00Z\\n",
            "٢٠٢٦-01-31T08:00:00Z",
            "2026-01-31T08:00:0\N{FULLWIDTH DIGIT ZERO}Z",
        )
    ),
    _field("timestamp", "1769846400", "bad_field"),
    _field("timestamp", "1769846400000", "bad_field"),
    _field("timestamp", "true", "bad_field"),
    _field("timestamp", '{"$date":"2026-01-31T08:00:00Z"}', "bad_field"),
    _field("timestamp", '"1999-12-31T23:59:59.999999Z"', "timestamp_too_old"),
    _field("timestamp", '"2000-01-01T00:59:59+01:00"', "timestamp_too_old"),
    _field("timestamp", '"1970-01-01T00:00:00Z"', "timestamp_too_old"),
    _field("timestamp", '"0001-01-01T00:00:00+18:00"', "timestamp_too_old"),
    _field("timestamp", '"2026-01-31T08:00:10.000001Z"', "timestamp_ahead"),
    _field("timestamp", '"2026-01-31T08:00:11Z"', "timestamp_ahead"),
    _field("timestamp", '"2026-01-31T09:00:10.5+01:00"', "timestamp_ahead"),
    _field("timestamp", '"2026-02-01T08:00:00Z"', "timestamp_ahead"),
    _field("timestamp", '"9999-12-31T23:59:59.999999-18:00"', "timestamp_ahead"),
)

_EVENT_ID = (
    # Any version and variant is accepted: time, random, the highest and the lowest.
    _field("event_id", '"f47ac10b-58cc-4372-a567-0e02b2c3d479"', None),
    _field("event_id", '"017f22e2-79b0-7cc3-98c4-dc0c0c07398f"', None),
    _field("event_id", '"00000000-0000-0000-0000-000000000000"', None),
    _field("event_id", '"ffffffff-ffff-ffff-ffff-ffffffffffff"', None),
    _field("event_id", '""', "bad_field"),
    _field("event_id", "7", "bad_field"),
    _field("event_id", '"7"', "bad_field"),
    _field("event_id", f'"{EVENT_ID.upper()}"', "bad_field"),
    _field("event_id", f'"{EVENT_ID.replace("-", "")}"', "bad_field"),
    _field("event_id", f'"{{{EVENT_ID}}}"', "bad_field"),
    _field("event_id", f'"urn:uuid:{EVENT_ID}"', "bad_field"),
    _field("event_id", f'" {EVENT_ID}"', "bad_field"),
    _field("event_id", f'"{EVENT_ID}\\n"', "bad_field"),
    _field("event_id", f'"{EVENT_ID}0"', "bad_field"),
    _field("event_id", f'"{EVENT_ID[:-1]}"', "bad_field"),
    _field("event_id", f'"{EVENT_ID[:-1]}g"', "bad_field"),
    _field("event_id", f'"{EVENT_ID[:-1]}٢"', "bad_field"),
    _field("event_id", f'"{EVENT_ID.replace("-", "_")}"', "bad_field"),
    _field("event_id", f'["{EVENT_ID}"]', "bad_field"),
)

# "\N{GRINNING FACE}" is one character, though two in UTF-16.
_NAMES = tuple(
    case
    for field, limit in (("sensor_id", 256), ("sensor_type", 64), ("unit", 64), ("location", 256), ("run", 64))
    for case in (
        _field(field, '"x"', None),
        _field(field, '" "', None, "one space"),
        _field(field, '"' + "x" * limit + '"', None, f"{limit} letters"),
        _field(field, '"' + "\N{GRINNING FACE}" * limit + '"', None, f"{limit} characters beyond 16 bits"),
        _field(field, '"温度 \N{DEGREE SIGN} \\u00e9 \\ud83d\\ude00"', None, "letters of the world, some as escapes"),
        _field(field, '"<script>alert(1)</script>"', None),
        _field(field, '"=1+1"', None),
        _field(field, '"\N{RIGHT-TO-LEFT OVERRIDE}abc"', None, "a change of direction"),
        _field(field, '""', "bad_field", "empty"),
        _field(field, '"' + "x" * (limit + 1) + '"', "bad_field", f"{limit + 1} letters"),
        _field(field, '"a\\nb"', "bad_field", "a newline"),
        _field(field, '"a\\n"', "bad_field", "a newline at its end"),
        _field(field, '"a\\u0000b"', "bad_field", "a NUL"),
        _field(field, '"\\u001b[2J"', "bad_field", "a terminal's escape"),
        _field(field, '"\\u009b2J"', "bad_field", "a terminal's escape in one character"),
        _field(field, '"\N{CONTROL SEQUENCE INTRODUCER}2J"', "bad_field", "that character unescaped"),
        _field(field, '"a\x7f"', "bad_field", "a raw DEL"),
        _field(field, "42", "bad_field"),
        _field(field, "true", "bad_field"),
        _field(field, '["a"]', "bad_field"),
        _field(field, '{"$ne":null}', "bad_field"),
    )
)

_OTHER_FIELDS = (
    _field("sequence", "0", None),
    _field("sequence", "-0", None),
    _field("sequence", "9223372036854775807", None),
    _field("sequence", "9223372036854775808", "bad_field"),
    _field("sequence", "1" + "0" * 999, "bad_field", "an integer of 1000 digits"),
    _field("sequence", "-1", "bad_field"),
    _field("sequence", "1.0", "bad_field"),
    _field("sequence", "1e2", "bad_field"),
    _field("sequence", '"7"', "bad_field"),
    _field("sequence", "true", "bad_field"),
    _field("sequence", "[7]", "bad_field"),
    _field("status", '"anomaly"', None),
    _field("status", '"Normal"', "bad_field"),
    _field("status", '"broken"', "bad_field"),
    _field("status", '""', "bad_field"),
    _field("status", "0", "bad_field"),
    _field("status", '["normal"]', "bad_field"),
    _field("metadata", "{}", None),
    _field("metadata", '{"a":null,"b":[1,"x",{"c":true}]}', None),
    _field("metadata", '{"a":1,"a":2}', None),
    _field("metadata", "[]", "bad_field"),
    _field("metadata", '"{}"', "bad_field"),
    _field("metadata", "5", "bad_field"),
    _field("metadata", "false", "bad_field"),
    _field("metadata", '{"a":[{"b":1e400}]}', "bad_field"),
    _field("metadata", '{"a":' + "9" * 308 + "}", None, "an integer of 308 digits"),
    _field("metadata", '{"a":[-1' + "0" * 308 + "]}", "bad_field", "an integer of 309 digits"),
    _field("metadata", '{"a":"1' + "0" * 308 + '"}', None, "309 digits in a string"),
    _field("metadata", '{"Infinity":"Infinity","NaN":"-Infinity"}', None),
    _field("metadata", '{"a":"{\\"b\\":[1e400,\\"~\\"]}","~":"~~\\\\"}', None, "quotes and tildes in strings"),
    _field("metadata", '{"a":0.' + "0" * 400 + "1}", None, "a fraction of 402 digits"),
    _field("metadata", '{"a":"' + '\\n\\"' * 50_000 + '"}', None, "100,000 escapes"),
    _field("metadata", '{ "a" : [ 1e2 , -0.0 , 1E+308 , 12345678901234567890 ] , "b" : null }', None),
    _field("metadata", '{"\\u007e":"\\u0022}"}', None),
    _field("metadata", '"{a}"', "bad_field"),
    _field("metadata", '"{a"', "bad_field"),
    Case("1e400 in an unknown field", _with_prefix('"extra":1e400'), None),
)

CASES: tuple[Case, ...] = (
    *_ACCEPTED,
    *_NOT_A_READING,
    *_MISSING,
    *_VERSION,
    *_VALUE,
    *_TIMESTAMP,
    *_EVENT_ID,
    *_NAMES,
    *_OTHER_FIELDS,
)


def refused_now(now: datetime) -> dict[bytes | None, str]:
    """Every kind of message that is refused whenever it comes, and the code of its refusal."""
    ahead = (now + timedelta(hours=6)).isoformat()
    cases = {one.payload: one.refusal for one in CASES if one.refusal and one.refusal != "timestamp_ahead"}
    return {**cases, message(timestamp=f'"{ahead}"'): "timestamp_ahead"}

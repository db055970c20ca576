"""The slow and complete judgement of messages in Spark's columns: the codes of `refusals.judge`, in its order.

from_json tells neither a string from a number that it turns into one, nor an object from one with text behind it. So
the text is marked before: every string in it begins with a tilde, which leaves JSON JSON and its errors errors. Then
the marked text stands in an array with an object whose one field has no tilde, which no sender can imitate: the
message is one JSON object when the array has two elements and the second is that object. The array stands in an
object, as from_json tells only of objects that something in them was broken and left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.refusals import (
    DEPTH_LIMIT,
    EVENT_ID,
    FIELD_CHECKS,
    HALF_A_SURROGATE_PAIR,
    NAME,
    REQUIRED,
    SHORT_NAME,
    STRING,
    TIMESTAMP,
    Refusal,
)
from pipeline.transforms_columns import STRICT, java_pattern

_MARK = "~"
_MARKED_STRING = STRING.replace('"', f'"{_MARK}', 1)
_FIELDS = ",".join(f"`{_MARK}{name}`:string" for name in ("schema_version", *FIELD_CHECKS))
_SCHEMA = f"elements array<struct<{_FIELDS},end:int>>, broken string"
# Spark's parser refuses to go deeper.
_SPARKS_DEPTH_LIMIT = 1000
# Characters of a wrong value in a sentence.
_SHOWN = 60
# As Python's isprintable has it: controls, what has no shape, and spaces but the usual one.
_NOT_PRINTABLE = r"[\p{C}\p{Z}&&[^ ]]"


def judged(rows: DataFrame, is_due: Column) -> DataFrame:
    """The rows with `_verdict` (a code and a sentence; null for what is accepted) and `_judged` (the reading).

    Both are null in rows that are not due. `_judged` has the fields of `transforms_parse.READING_FIELDS`, and means
    nothing where there is a verdict.
    """
    text = F.col("value").cast("string")
    # In steps, so that nothing is parsed twice.
    marked = F.regexp_replace(F.when(is_due & F.is_valid_utf8(text), text), STRING, rf'"{_MARK}$1"')
    around = F.concat(F.lit('{"elements":['), marked, F.lit(',{"end":0}]}'))
    rows = rows.withColumn("_around", F.from_json(around, _SCHEMA, {**STRICT, "columnNameOfCorruptRecord": "broken"}))
    elements, broken = F.col("_around")["elements"], F.col("_around")["broken"]
    is_one_object = broken.isNull() & (F.size(elements) == 2) & (F.get(elements, F.lit(1))["end"] == 0)
    rows = rows.withColumn("_document", F.when(is_one_object, F.get(elements, F.lit(0))))
    rows = rows.withColumn("_wrong", _first_wrong())
    return rows.withColumns({"_verdict": F.when(is_due, _verdict(text)), "_judged": F.when(is_due, _reading())})


def refusal(code: Refusal, sentence: Column | str) -> Column:
    """A verdict."""
    column = F.lit(sentence) if isinstance(sentence, str) else sentence
    return F.struct(F.lit(str(code)).alias("code"), column.alias("sentence"))


def _field(name: str) -> Column:
    """A field as marked text: a string with its tilde, anything else as JSON, a float beyond 64 bits as "Infinity"."""
    return F.col("_document")[_MARK + name]


def _string(name: str) -> Column:
    return F.substr(_field(name), F.lit(1 + len(_MARK)))


def _reading() -> Column:
    typed = {
        "sequence": _field("sequence").try_cast("bigint"),
        "timestamp": _string("timestamp").try_cast("timestamp"),
        "value": _field("value").try_cast("double"),
        "metadata": F.regexp_replace(_field("metadata"), _MARKED_STRING, '"$1"'),
    }
    return F.struct(*(typed.get(name, _string(name)).alias(name) for name in FIELD_CHECKS))


def _verdict(text: Column) -> Column:
    document, version = F.col("_document"), _field("schema_version")
    is_deep, has_half_pair = _is_deep(text), _has_half_a_pair(text)
    verdict = (
        F.when(F.col("value").isNull(), refusal(Refusal.NULL_MESSAGE, "the message has no value"))
        .when(~F.is_valid_utf8(text), refusal(Refusal.NOT_UTF8, "a byte is not UTF-8"))
        .when(document.isNull(), refusal(Refusal.NOT_JSON, F.concat(F.lit("not one JSON object: "), _quoted(text))))
        .when(is_deep, refusal(Refusal.NOT_JSON, "nested too deeply"))
        .when(has_half_pair, refusal(Refusal.NOT_JSON, "half a surrogate pair"))
        .when(
            version != "1",
            refusal(
                Refusal.UNKNOWN_SCHEMA_VERSION,
                F.concat(F.lit("schema_version is "), _shown(version), F.lit("; known is 1")),
            ),
        )
    )
    missing = F.coalesce(*(F.when(_field(name).isNull(), name) for name in REQUIRED))
    verdict = verdict.when(
        missing.isNotNull(), refusal(Refusal.MISSING_FIELD, F.concat(missing, F.lit(" is missing")))
    ).when(F.col("_wrong").isNotNull(), refusal(Refusal.BAD_FIELD, _wrong_sentence()))
    is_finite = F.coalesce(F.abs(_field("value").try_cast("double")) < float("inf"), F.lit(False))
    return verdict.when(
        ~is_finite, refusal(Refusal.VALUE_NOT_FINITE, "value is beyond what a 64-bit float holds")
    ).when(
        _holds_infinity(_field("metadata")),
        refusal(Refusal.BAD_FIELD, "metadata holds a number beyond what a 64-bit float holds"),
    )


def _first_wrong() -> Column:
    """The position of the first field in FIELD_CHECKS that is there and wrong, or null."""
    return F.coalesce(
        *(F.when(_field(name).isNotNull() & ~_is_right(name), position) for position, name in enumerate(FIELD_CHECKS))
    )


def _wrong_sentence() -> Column:
    # Written once for all fields: Spark compiles what stands here anew for each query.
    def of_wrong(values: Iterable[Column]) -> Column:
        return F.get(F.array(*values), F.col("_wrong"))

    return F.concat(
        of_wrong(map(F.lit, FIELD_CHECKS)),
        F.lit(" is "),
        _shown(of_wrong(map(_field, FIELD_CHECKS))),
        F.lit("; it must be "),
        of_wrong(F.lit(what) for _, what in FIELD_CHECKS.values()),
    )


def _is_right(name: str) -> Column:
    """Whether a field that is there is what `refusals.FIELD_CHECKS` asks for."""
    field = _field(name)
    patterns = {"event_id": EVENT_ID, "sensor_id": NAME, "location": NAME}
    if name == "timestamp":
        return _matches(field, TIMESTAMP) & _string(name).try_cast("timestamp").isNotNull()
    if name == "sequence":
        return F.rlike(field, F.lit(r"\A[0-9]+\z")) & field.try_cast("bigint").isNotNull()
    if name == "value":
        return F.rlike(field, F.lit(r'\A[-0-9"]'))
    if name == "status":
        return field.isin(f"{_MARK}normal", f"{_MARK}anomaly")
    if name == "metadata":
        return F.startswith(field, F.lit("{"))
    return _matches(field, patterns.get(name, SHORT_NAME))


def _matches(field: Column, pattern: str) -> Column:
    """Whether a field is a string that matches a pattern of `refusals`."""
    return F.rlike(field, F.lit(java_pattern(pattern).replace("^", f"^{_MARK}", 1)))


def _holds_infinity(metadata: Column) -> Column:
    without_strings = F.regexp_replace(metadata, _MARKED_STRING, "")
    return F.rlike(without_strings, F.lit("Infinity|[0-9]{309}"))


def _is_deep(text: Column) -> Column:
    """Whether a JSON text is nested too deeply: Spark's parser refuses it within so many arrays."""
    around = _SPARKS_DEPTH_LIMIT - DEPTH_LIMIT
    nested = F.concat(F.lit("[" * around), text, F.lit("]" * around))
    return (F.regexp_count(text, F.lit(r"[\[{]")) > DEPTH_LIMIT) & F.from_json(nested, "array<string>", STRICT).isNull()


def _has_half_a_pair(text: Column) -> Column:
    without_pairs = F.replace(text, F.lit(r"\\"), F.lit("--"))
    return F.contains(text, F.lit(r"\u")) & F.rlike(without_pairs, F.lit(HALF_A_SURROGATE_PAIR))


def _shown(field: Column) -> Column:
    """A wrong field as a sentence shows it: short, and printable."""
    beyond = F.when(F.length(field) > _SHOWN, "…").otherwise("")
    return (
        F.when(F.startswith(field, F.lit("{")), "an object")
        .when(F.startswith(field, F.lit("[")), "an array")
        .when(F.startswith(field, F.lit(_MARK)), _quoted(F.substr(field, F.lit(1 + len(_MARK)))))
        .otherwise(F.concat(F.substring(field, 1, _SHOWN), beyond))
    )


def _quoted(text: Column) -> Column:
    shown = F.regexp_replace(F.substring(text, 1, _SHOWN), _NOT_PRINTABLE, "\N{REPLACEMENT CHARACTER}")
    return F.concat(F.lit('"'), shown, F.when(F.length(text) > _SHOWN, '"…').otherwise('"'))

"""Which records the router need look at: all but plain readings that break no rule, told from their text alone.

Most readings are plain and break no rule, and most of what Real-time Mode pays for a record goes to taking its fields
apart and handing them on. What `plain_readings` does not prove is parsed and judged as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from operator import and_

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.events import EARLIEST
from pipeline.plain_readings import PLAIN, TIMESTAMP_GROUP, TYPE_GROUP, VALUE_GROUP
from pipeline.rules import Rule
from pipeline.transforms_alerts import breaks_any
from pipeline.transforms_columns import java_pattern

# What no text of JSON begins with, and a line for each group, as none of them holds a line break.
_EXTRACT = f"=${VALUE_GROUP}\n${TIMESTAMP_GROUP}\n${TYPE_GROUP}"


def noteworthy(records: DataFrame, rules: Sequence[Rule], max_ahead: float) -> DataFrame:
    """The records without the plain readings that break no rule and whose instant is accepted.

    `records` has the columns of Spark's Kafka source, `value` and `timestamp` among them.
    """
    text = F.col("value").cast("string")
    extract = F.when(F.startswith(text, F.lit("{")), F.regexp_replace(text, java_pattern(PLAIN), _EXTRACT))
    rows = records.withColumn("_extract", extract)
    extract = F.col("_extract")
    rows = rows.withColumns(
        {
            "_value": F.substring_index(F.substring(extract, 2, 2**31 - 1), "\n", 1).try_cast("double"),
            "_moment": F.substring_index(F.substring_index(extract, "\n", 2), "\n", -1).try_cast("timestamp"),
            "_type": F.substring_index(extract, "\n", -1),
            "_is_plain": F.startswith(extract, F.lit("=")),
            # Spark does not move a condition to before a column that may differ each time it is asked for; it would
            # match the pattern anew wherever the condition names what was found.
            "_task": F.spark_partition_id(),
        }
    )
    value, moment = F.col("_value"), F.col("_moment")
    is_quiet = reduce(
        and_,
        (
            F.col("_is_plain"),
            F.abs(value) < float("inf"),
            moment >= F.lit(EARLIEST),
            moment <= F.col("timestamp") + F.lit(timedelta(seconds=max_ahead)),
            ~breaks_any(rules, F.col("_type"), value),
        ),
    )
    return rows.where(~F.coalesce(is_quiet, F.lit(False)) | (F.col("_task") < 0)).select(*records.columns)

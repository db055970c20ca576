"""Readings to statistics of windows of event time."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.rules import UNKNOWN_LOCATION

# As in `means`: a sum of values divided by 2⁶⁴, which is exact, cannot overflow. Only values below 1e-289 lose digits.
_SCALE = 2.0**-64


def windows(
    readings: DataFrame, window: str, slide: str | None, watermark: str, *, distinct: bool = False
) -> DataFrame:
    """A row for each window, sensor type and location: window_start, window_end, count, avg, min, max and std.

    `readings` is a stream with event_id, timestamp, sensor_type, location and value; readings without a location are
    grouped as "unknown". `window`, `slide` (None: windows side by side) and `watermark` are durations, such as
    "10 seconds"; the windows begin at whole multiples of the slide since 1970 UTC. A reading sent twice counts once
    when the second comes within the watermark; where the readings are `distinct` they need no event_id, and Spark keeps
    none. `std` is the sample standard deviation, by n - 1; 0 for a single reading, as every window has a number there;
    infinite where the squares leave a 64-bit float (spreads of 1e154).
    """
    once = readings.withWatermark("timestamp", watermark)
    if not distinct:
        once = once.dropDuplicatesWithinWatermark(["event_id"])
    location = F.coalesce(F.col("location"), F.lit(UNKNOWN_LOCATION))
    value, deviation = F.col("value"), F.col("std")
    statistics = once.groupBy(
        F.window(F.col("timestamp"), window, slide).alias("window"), F.col("sensor_type"), location.alias("location")
    ).agg(
        F.count(value).alias("count"),
        (F.avg(value * _SCALE) / _SCALE).alias("avg"),
        F.min(value).alias("min"),
        F.max(value).alias("max"),
        F.stddev_samp(value).alias("std"),
    )
    return statistics.select(
        F.col("window")["start"].alias("window_start"),
        F.col("window")["end"].alias("window_end"),
        "sensor_type",
        "location",
        "count",
        # Rounding may reach beyond the values, where no mean can lie.
        F.greatest(F.least(F.col("avg"), F.col("max")), F.col("min")).alias("avg"),
        "min",
        "max",
        F.when(F.col("count") == 1, 0.0).when(F.isnan(deviation), float("inf")).otherwise(deviation).alias("std"),
    )

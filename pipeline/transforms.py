"""Spark's part of the pipeline, DataFrame to DataFrame, without any input or output: what the job imports.

    records of Kafka ─┬─ router (all but plain readings that break no rule, parsed)
                      └─ records ─ (spark_pass, spark_tasks) ─ windows

The router judges with Spark's own column functions, since Real-time Mode knows no Python; they agree with the Python
codec (`events`, `refusals`) and the Python rules (`rules`). The session's time zone does not matter.
"""

from __future__ import annotations

from pipeline.transforms_parse import parse
from pipeline.transforms_records import records
from pipeline.transforms_router import router
from pipeline.transforms_windows import windows

__all__ = ["parse", "records", "router", "windows"]

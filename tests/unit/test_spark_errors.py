from __future__ import annotations

import traceback

import pytest

from pipeline.spark_errors import TaskError, TaskOutage, innermost_cause, raised_by_task

JAVA = """An error occurred while calling o123.collectToPython.
: org.apache.spark.SparkException: [FAILED_EXECUTE_UDF] Job aborted due to stage failure
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.failed(QueryExecutionErrors.scala:218)
Caused by: java.util.concurrent.ExecutionException: wrapped
\tat java.base/java.util.concurrent.FutureTask.report(FutureTask.java:122)
\t... 20 more
Caused by: java.io.IOException: No space left on device
\tat java.base/sun.nio.ch.FileDispatcherImpl.write0(Native Method)
\t... 33 more
"""
PYTHON = """Traceback (most recent call last):
  File "/opt/spark/python/worker.py", line 1, in main
ZeroDivisionError: division by zero
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (JAVA, "java.io.IOException: No space left on device"),
        (
            JAVA.partition("Caused by")[0],
            "org.apache.spark.SparkException: [FAILED_EXECUTE_UDF] Job aborted due to stage failure",
        ),
        (PYTHON, "ZeroDivisionError: division by zero"),
        ("\n\n  \tat a.b.C.d(C.java:1)\n  one line\n", "one line"),
        ("", "no reason given"),
        ("\tat a.b.C.d(C.java:1)\n\t... 5 more\n", "no reason given"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_line_that_says_most_is_found(text, cause):
    assert innermost_cause(text) == cause


def traceback_of(error: Exception) -> str:
    """What a task's error is in the driver: a traceback within a traceback."""
    return JAVA.replace("\t... 20 more\n", "".join(traceback.format_exception(error)))


def test_what_a_task_of_ours_raised_is_read_out_of_sparks_error():
    for kind in (TaskOutage, TaskError):
        found = raised_by_task(traceback_of(kind("no server answers at 127.0.0.1:1; start one")))

        assert type(found) is kind
        assert str(found) == "no server answers at 127.0.0.1:1; start one"
    assert raised_by_task(traceback_of(ValueError("pipeline.spark_errors.TaskError: not ours"))) is None
    assert raised_by_task(JAVA + PYTHON) is None

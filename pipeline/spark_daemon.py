"""The process from which Spark forks its Python workers, here with what they import loaded already.

Where driver and executors are one process; elsewhere the workers load it from what the driver sends.
"""

from __future__ import annotations

from pyspark import daemon

from pipeline import spark_tasks  # noqa: F401 - for the workers

if __name__ == "__main__":
    daemon.manager()

"""Where Spark is local: the process that it forks its Python workers from, with what their tasks need loaded already.

Spark's own loads nothing, and each worker then needs a third of a second for the same libraries and has them in memory
for itself. A fork takes one thread along, so nothing here may start another: see ENVIRONMENT.
"""

from __future__ import annotations

import gc

import pandas
from pyspark import daemon, worker

from pipeline import runtime, spark_pass

MODULE = "pipeline.spark_daemon"
ENVIRONMENT = {
    "PYTHONPATH": str(runtime.ROOT),
    # Otherwise a folder named `pipeline` where the job was started would be taken for this one.
    "PYTHONSAFEPATH": "1",
    # Arrow would start a thread that tidies up its memory.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
# What tasks need is loaded by importing it; pandas by Arrow, which asks of each list whether it is one of its columns.
LOADED = (pandas, worker, spark_pass)

if __name__ == "__main__":
    # What is shared stays shared: the collector of a worker would write to each object that it looks at.
    gc.freeze()
    daemon.manager()

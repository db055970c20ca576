"""The checkpoint folder: one folder for each query, and `job.json`, which says what it was made with.

Spark goes on from any checkpoint, and would take windows of one length for windows of another. So what must not change
is written down at the first start, by Hadoop's file system: the folder may be local, on HDFS or in an object store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipeline.console import UsageError, UserError
from pipeline.spark_errors import innermost_cause

FILE = "job.json"
REMEDY = (
    "go back to it, or name another --checkpoint: then everything that Kafka still holds is read anew, "
    "and what is stored already stays as it is"
)
# A window of another length may have the same _id as one that is stored.
WINDOW_REMEDY = REMEDY + "; and another --database, for windows of two lengths do not go together"
_WINDOW_NAMES = ("window", "slide")


@dataclass(frozen=True)
class Checkpoint:
    """The folder of a job's checkpoints."""

    session: SparkSession
    folder: str

    def of_query(self, name: str) -> str:
        """The folder of a query."""
        return f"{self.folder.rstrip('/')}/{name}"

    def claim(self, made_with: Mapping[str, Any]) -> None:
        """Note what a new checkpoint is made with, or compare it with what is noted.

        Raises UsageError when something differs, UserError when the folder cannot be used.
        """
        try:
            found = self._read()
            if found is None:
                self._write({"version": 1, **made_with})
                return
        except (Py4JError, PySparkException) as error:
            reason = innermost_cause(str(error))
            raise UserError(
                f"--checkpoint {self.folder} cannot be used: {reason}; make it writable, or name another"
            ) from error
        for name, value in made_with.items():
            if found.get(name) != value:
                remedy = WINDOW_REMEDY if name in _WINDOW_NAMES else REMEDY
                raise UsageError(
                    f"the checkpoint {self.folder} was made with {_said(name, found.get(name))}, "
                    f"and now it is {_said(name, value)}: {remedy}"
                )

    @property
    def _jvm(self) -> Any:
        return self.session._jvm

    def _file_system(self) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(self.folder, FILE)
        configuration = self.session._jsc.hadoopConfiguration()
        return path.getFileSystem(configuration), path

    def _read(self) -> dict[str, Any] | None:
        system, path = self._file_system()
        if not system.exists(path):
            return None
        stream = system.open(path)
        try:
            text = self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()
        try:
            found = json.loads(text)
        except ValueError:
            raise UserError(f"{path} is damaged; name another --checkpoint") from None
        return found if isinstance(found, dict) else {}

    def _write(self, content: Mapping[str, Any]) -> None:
        system, path = self._file_system()
        stream = system.create(path, False)
        try:
            stream.write(json.dumps(content, indent=2).encode())
        finally:
            stream.close()


def _said(name: str, value: Any) -> str:
    words = "the Kafka cluster" if name == "cluster" else f"--{name}"
    return f"{words} {value:g} s" if isinstance(value, float) else f"{words} {value}"

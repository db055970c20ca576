"""The checkpoint folder: one folder for each query, and `job.json`, which says what it was made with.

Spark goes on from any checkpoint, and would take windows of one length for windows of another. So what must not change
is written down at the first start, by Hadoop's file system: the folder may be local, on HDFS or in an object store.

In a checkpoint with `together.json` the windows' query stores the readings as well (spark_pass.py), for good: it keeps
no ids, and so cannot go on by itself. With `one-pass.json` it has done the router's work too, until the two part. Where
that note stands alone an earlier version wrote it: its windows keep ids, and part from both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipeline.console import UsageError, UserError
from pipeline.spark_errors import innermost_cause
from pipeline.spark_progress import shared_id

FILE, TOGETHER_FILE, ONE_PASS_FILE = "job.json", "together.json", "one-pass.json"
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
        with self._usable():
            found = self._read(FILE)
            if found is None:
                self._write(FILE, {"version": 1, **made_with})
                return
        for name, value in made_with.items():
            if found.get(name) != value:
                remedy = WINDOW_REMEDY if name in _WINDOW_NAMES else REMEDY
                raise UsageError(
                    f"the checkpoint {self.folder} was made with {_said(name, found.get(name))}, "
                    f"and now it is {_said(name, value)}: {remedy}"
                )

    def is_together(self, leader: str, other: str, *, wanted: bool) -> bool:
        """Whether the query `leader` does the work of another one: so it began, or neither has begun and it is wanted.

        Raises UserError when the folder cannot be used.
        """
        with self._usable():
            noted = self._exists(TOGETHER_FILE)
            if any(map(self._exists, (leader, other))):
                return noted
            if wanted and not noted:
                self._write(TOGETHER_FILE, {"version": 1})
            elif noted and not wanted:
                self._delete(TOGETHER_FILE)
            return wanted

    def takes_one_pass(self, leader: str, names: Iterable[str]) -> bool:
        """Whether the query `leader` may do the work of others: none has begun yet, or they never were apart.

        Raises UserError when the folder cannot be used.
        """
        with self._usable():
            if self._exists(ONE_PASS_FILE):
                return not any(self._stands_alone(name) for name in names)
            if any(map(self._exists, (leader, *names))):
                return False
            self._write(ONE_PASS_FILE, {"version": 1})
        return True

    def part(self, leader: str, others: Iterable[str]) -> None:
        """Let queries that were worked in one pass go on by themselves, where that of the query `leader` ended.

        Nothing is done where they never were in one pass. Raises UserError when the folder cannot be used.
        """
        with self._usable():
            if self._exists(ONE_PASS_FILE):
                for name in others:
                    if not self._stands_alone(name):
                        self._begin_like(leader, name)
                # At last: if we are killed before, all is done again.
                self._delete(ONE_PASS_FILE)

    def _stands_alone(self, name: str) -> bool:
        """Whether a query has a whole folder of its own: what tells its id is written last here, and first by Spark."""
        return self._exists(f"{name}/metadata")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (Py4JError, PySparkException) as error:
            reason = innermost_cause(str(error))
            raise UserError(
                f"--checkpoint {self.folder} cannot be used: {reason}; make it writable, or name another"
            ) from error

    def _begin_like(self, leader: str, name: str) -> None:
        """A folder for a query without state that is as far as the leader: where it began, and its last ended batch."""
        self._delete(name)
        about = self._read(f"{leader}/metadata")
        if about is None:
            return
        self._copy(f"{leader}/sources/0/0", f"{name}/sources/0/0")
        logs = self._jvm.org.apache.spark.sql.execution.streaming.checkpointing
        commits = logs.CommitLog(self.session._jsparkSession, f"{self.of_query(leader)}/commits", True)
        last = commits.getLatestBatchId()
        if not last.isEmpty():
            # Spark looks for the batch before it as well.
            for batch in (last.get() - 1, last.get()):
                for kind in ("offsets", "commits"):
                    self._copy(f"{leader}/{kind}/{batch}", f"{name}/{kind}/{batch}")
        self._write(f"{name}/metadata", {"id": shared_id(about["id"], name)})

    @property
    def _jvm(self) -> Any:
        return self.session._jvm

    def _file_system(self, name: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(self.folder, name)
        configuration = self.session._jsc.hadoopConfiguration()
        return path.getFileSystem(configuration), path

    def _exists(self, name: str) -> bool:
        system, path = self._file_system(name)
        return bool(system.exists(path))

    def _delete(self, name: str) -> None:
        system, path = self._file_system(name)
        # It says no instead of raising.
        if system.exists(path) and not system.delete(path, True):
            raise UserError(
                f"--checkpoint {self.folder} cannot be used: {name} in it cannot be removed; see whose it is"
            )

    def _copy(self, name: str, to: str) -> None:
        """Copy a file, if it is there."""
        system, path = self._file_system(name)
        if system.exists(path):
            configuration = self.session._jsc.hadoopConfiguration()
            copied = self._file_system(to)[1]
            self._jvm.org.apache.hadoop.fs.FileUtil.copy(system, path, system, copied, False, configuration)

    def _read(self, name: str) -> dict[str, Any] | None:
        system, path = self._file_system(name)
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

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        system, path = self._file_system(name)
        stream = system.create(path, False)
        try:
            stream.write(json.dumps(content, indent=2).encode())
        finally:
            stream.close()


def _said(name: str, value: Any) -> str:
    words = "the Kafka cluster" if name == "cluster" else f"--{name}"
    return f"{words} {value:g} s" if isinstance(value, float) else f"{words} {value}"

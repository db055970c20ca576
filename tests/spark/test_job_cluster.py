"""spark_job.py elsewhere than in one process: on a standalone cluster, and under spark-submit."""

from __future__ import annotations

import json
import secrets
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
from harness import Completed, free_port, quiet_display
from jobs import START_SECONDS, Job, assert_ended_well, surroundings
from judged import judge
from stored import opened

from pipeline import jars, java, rules, spark_session
from pipeline.services import Running, Service

pytestmark = pytest.mark.timeout(3 * START_SECONDS)

SPARK = Path(pyspark.__file__).parent
COUNT = 500


@pytest.fixture
def job(broker, mongod, start_script, tmp_path) -> Iterator[Job]:
    with surroundings(start_script, broker.servers, mongod.uri, tmp_path) as own:
        own.produce("--count", COUNT, "--unpaced", "--sensors", 20, "--rate", 200, "--anomaly-rate", 0.3)
        yield own


@pytest.fixture
def cluster(tmp_path) -> Iterator[str]:
    """A master and a worker of two cores; its address."""
    with quiet_display().step("java") as step:
        home = spark_session.java_home(java.ensure(step))
    port, page = free_port(), free_port()

    def workers() -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=1) as answer:
                return [one for one in json.load(answer)["workers"] if one["state"] == "ALIVE"]
        except (OSError, ValueError):
            return []

    def started(name: str, *words: str) -> Running:
        service = Service(
            name=name,
            command=(str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{name.lower()}.{name}", *words),
            healthy=lambda: bool(workers()),
            log=tmp_path / f"{name}.log",
            folder=tmp_path,
            patience=START_SECONDS,
            environment={
                "SPARK_HOME": str(SPARK),
                "JAVA_HOME": str(home),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "JAVA_TOOL_OPTIONS": java.FEW_THREADS,
            },
        )
        return Running(service, secrets.token_hex(8), attached=False)

    address = f"spark://127.0.0.1:{port}"
    here = ("--host", "127.0.0.1")
    running = [started("Master", *here, "--port", str(port), "--webui-port", str(page))]
    try:
        words = (
            *here,
            "--port",
            str(free_port()),
            "--webui-port",
            str(free_port()),
            "--work-dir",
            str(tmp_path / "work"),
        )
        running.append(started("Worker", *words, "--cores", "2", "--memory", "2g", address))
        with quiet_display().step("spark") as step:
            running[-1].await_health(step, lambda: False)
        yield address
    finally:
        for one in reversed(running):
            one.stop()


def assert_all_is_stored(job: Job) -> None:
    judged = judge(job.servers, job.topic)
    assert (len(judged.distinct), judged.refused) == (COUNT, {})
    with opened(job.target.uri, job.target.database) as database:
        assert database["sensor_metrics"].count_documents({}) == COUNT
        assert sum(one["count"] for one in database["windowed_metrics"].find()) == COUNT
        wanted = {one.alert_id for one in judged.alerts(rules.load(None))}
        assert {one["_id"] for one in database["anomaly_alerts"].find({}, {"_id": 1})} == wanted != set()


def test_a_standalone_cluster_does_the_work(job, cluster, tmp_path):
    done = job.run("--master", cluster, "--available-now", "--alert-mode", "micro-batch")

    assert_ended_well(done)
    assert_all_is_stored(job)
    # The executors ran on the worker, with their own copy of our code.
    assert list((tmp_path / "work").glob("app-*/*/pipeline.zip"))


def test_it_runs_under_spark_submit_from_any_folder(job, tmp_path, fast_java):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def submitted(*options: str) -> Completed:
        options = ("--master", "local[6]", "--driver-java-options", fast_java, *options)
        runner = (str(SPARK / "bin" / "spark-submit"), *options)
        return job.run("--available-now", runner=runner, cwd=elsewhere, env={"PYSPARK_PYTHON": sys.executable})

    # without the jars it says how to give them
    done = submitted()
    assert done.code == 2
    folder = jars.folder_of("spark")
    # Spark-submit makes one stream of our two.
    assert f"spark_job.py: Spark has no Kafka source; give spark-submit --jars '{folder}/*.jar'" in done.stdout

    # and with them it works
    done = submitted("--jars", f"{folder}/*.jar")
    assert done.code == 0, done.stdout + done.stderr
    assert "the job runs, after " in done.stdout
    assert "Traceback" not in done.stdout
    assert_all_is_stored(job)

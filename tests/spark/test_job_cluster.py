"""spark_job.py elsewhere than in one process: on a standalone cluster, and under spark-submit."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from harness import Completed
from jobs import START_SECONDS, Job, assert_ended_well, surroundings
from judged import judge
from spark_cluster import SPARK, SparkCluster, spark_cluster
from stored import opened

from pipeline import jars, rules

pytestmark = pytest.mark.timeout(3 * START_SECONDS)

COUNT = 500


@pytest.fixture
def job(broker, mongod, start_script, tmp_path) -> Iterator[Job]:
    with surroundings(start_script, broker.servers, mongod.uri, tmp_path) as own:
        own.produce("--count", COUNT, "--unpaced", "--sensors", 20, "--rate", 200, "--anomaly-rate", 0.3)
        yield own


@pytest.fixture
def cluster(tmp_path) -> Iterator[SparkCluster]:
    """A master and a worker of two cores."""
    with spark_cluster(tmp_path / "cluster", workers=1, cores=2) as started:
        yield started


def assert_all_is_stored(job: Job) -> None:
    judged = judge(job.servers, job.topic)
    assert (len(judged.distinct), judged.refused) == (COUNT, {})
    with opened(job.target.uri, job.target.database) as database:
        assert database["sensor_metrics"].count_documents({}) == COUNT
        assert sum(one["count"] for one in database["windowed_metrics"].find()) == COUNT
        wanted = {one.alert_id for one in judged.alerts(rules.load(None))}
        assert {one["_id"] for one in database["anomaly_alerts"].find({}, {"_id": 1})} == wanted != set()


def test_a_standalone_cluster_does_the_work(job, cluster):
    done = job.run("--master", cluster.address, "--available-now", "--alert-mode", "micro-batch")

    assert_ended_well(done)
    assert_all_is_stored(job)
    # The executors ran on the worker, with their own copy of our code.
    assert [worker.has_worked for worker in cluster.workers] == [True]


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

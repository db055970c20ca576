"""docker-compose.cluster.yml: one of each is killed, and nothing is lost or counted twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from containers import ContainerStack, container_stack
from harness import await_condition
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

DATABASE = "iot_analytics"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    more = {"PIPELINE_SENSORS": 200, "PIPELINE_RATE": 200}
    folder = tmp_path_factory.mktemp("cluster")
    with container_stack(folder, files=("docker-compose.cluster.yml",), **more) as started:
        yield started


def test_a_broker_the_primary_and_a_worker_may_die(cluster: ContainerStack):
    root = cluster.connections()["MongoDB, as root"]
    with MongoClient[dict[str, Any]](root) as client:
        readings = client[DATABASE]["sensor_metrics"]
        await_condition(lambda: readings.estimated_document_count() > 0, "readings are stored")
        members = client.admin.command("replSetGetStatus")["members"]
        primary = next(one["name"] for one in members if one["stateStr"] == "PRIMARY").partition(":")[0]
    assert len(members) == 3

    for name in ("kafka-2", primary, "spark-worker-1"):
        cluster.kill(name)
        before = stored(root)
        await_condition(lambda seen=before: stored(root) > seen, f"readings are stored after {name} was killed")
    cluster.await_healthy("kafka-2", primary, "spark-worker-1", "spark")
    cluster.run("stop", "producer")
    done = cluster.run("run", "--rm", "verify", code=None)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything that was acknowledged is stored" in done.stdout


def stored(address: str) -> int:
    """How many readings a member has; one that is away, or just between two states, is waited for."""
    counts: list[int] = []

    def is_told() -> bool:
        try:
            with MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=5000) as client:
                counts.append(client[DATABASE]["sensor_metrics"].estimated_document_count())
        except AutoReconnect:
            return False
        return True

    await_condition(is_told, "the member tells how many readings it has")
    return counts[0]

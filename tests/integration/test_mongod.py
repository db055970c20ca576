"""A real mongod as a local service, and what writes do while it is away."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import psutil
import pytest
import stored
from harness import await_condition, free_port, local_mongod
from tenacity import wait_none

from pipeline import mongod as mongod_service
from pipeline import store, store_queries, store_writes
from pipeline.store_faults import Patience, StoreUnavailable
from pipeline.store_writes import Manner


def test_it_listens_on_this_machine_alone_with_a_small_cache(mongod):
    process = psutil.Process(mongod.running.identity.pid)

    listening = {(one.laddr.ip, one.laddr.port) for one in process.net_connections() if one.status == "LISTEN"}

    assert listening == {("127.0.0.1", mongod.port)}
    assert not [one for one in process.net_connections("unix") if one.laddr]
    with stored.opened(mongod.uri, "admin") as admin:
        cache = admin.command("serverStatus")["wiredTiger"]["cache"]
    assert cache["maximum bytes configured"] == 2**28


def test_it_is_healthy_only_if_it_is_the_one_with_our_data(mongod, tmp_path):
    address = f"127.0.0.1:{mongod.port}"

    assert mongod.running.service.healthy()
    assert not mongod_service.health(address, tmp_path, tmp_path / "mongo.log")()
    assert not mongod_service.health(f"127.0.0.1:{free_port()}", tmp_path, tmp_path / "mongo.log")()


def test_a_log_that_grew_too_large_is_begun_afresh(mongod, monkeypatch):
    log = mongod.running.service.log
    before = log.read_text()
    assert before

    monkeypatch.setattr(mongod_service, "LOG_LIMIT_BYTES", 100)
    assert mongod.running.service.healthy()

    assert log.with_name(log.name + ".previous").read_text().startswith(before)
    assert before not in log.read_text()
    with stored.opened(mongod.uri, "admin") as admin:
        admin.command("setParameter", 1, cursorTimeoutMillis=600_000)
        await_condition(lambda: log.stat().st_size > 0, "a line in the new log")


def test_its_data_survives_a_stop_and_a_start(tmp_path: Path):
    with local_mongod(tmp_path) as first:
        target = store.ensure(first.uri, "iot")
        store_writes.write_readings(target, stored.readings(5))
        assert first.running.stop(), "ended without SIGKILL"

    with local_mongod(tmp_path, first.port):
        assert store_queries.count(target, "sensor_metrics") == 5


def test_what_was_acknowledged_survives_kill_9_and_work_goes_on_after_an_outage(tmp_path: Path):
    records = stored.readings(20_000, sensors=50)
    acknowledged: list[str] = []
    manner = Manner(patience=Patience(attempts=2, pauses=wait_none()))
    failures: list[Exception] = []

    def write_until_it_fails(target: store.Store) -> None:
        try:
            for part in store_writes.batches(records, 100):
                store_writes.write_readings(target, part, manner)
                acknowledged.extend(one["event_id"] for one in part)
        except StoreUnavailable as error:
            failures.append(error)

    with local_mongod(tmp_path) as first:
        # The outage is to be noticed soon in a test.
        target = store.ensure(f"{first.uri}/?serverSelectionTimeoutMS=1000", "iot")
        writer = threading.Thread(target=write_until_it_fails, args=(target,))
        writer.start()
        await_condition(lambda: len(acknowledged) > 1000, "a thousand readings are acknowledged")
        psutil.Process(first.running.identity.pid).send_signal(signal.SIGKILL)
        writer.join(60)
        assert not writer.is_alive()

    assert len(failures) == 1
    assert f"127.0.0.1:{first.port}" in str(failures[0])
    assert len(acknowledged) < len(records), "it was killed in the middle of the work"
    with pytest.raises(StoreUnavailable):
        store_writes.write_readings(target, records[:10], manner)

    with local_mongod(tmp_path, first.port):
        assert set(acknowledged) <= ids(target)

        written = store_writes.write_readings(target, records, manner)
        assert written.stored + written.known == len(records)
        assert written.known >= len(acknowledged)
        assert ids(target) == {one["event_id"] for one in records}


def ids(target: store.Store) -> set[str]:
    with stored.opened(target.uri, target.database) as found:
        return {str(one["_id"].as_uuid()) for one in found["sensor_metrics"].find({}, {"_id": 1})}


def test_a_server_that_hangs_is_an_outage_as_well(tmp_path: Path):
    with local_mongod(tmp_path) as server:
        limits = "serverSelectionTimeoutMS=1000&connectTimeoutMS=500&socketTimeoutMS=500"
        target = store.ensure(f"{server.uri}/?{limits}", "iot")
        process = psutil.Process(server.running.identity.pid)
        process.suspend()
        try:
            with pytest.raises(StoreUnavailable):
                store_writes.write_readings(target, stored.readings(5), stored.HASTY)
        finally:
            process.resume()

        assert store_writes.write_readings(target, stored.readings(5)).refused == []
        assert store_queries.count(target, "sensor_metrics") == 5

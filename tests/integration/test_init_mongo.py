"""init-mongo.js under the real mongosh, against what store.py does with the same schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongosh
import pytest
import stored
from harness import LocalMongod, free_port, local_mongod

from pipeline import runtime, store, store_alarms, store_queries, store_schema, store_writes
from pipeline.store_faults import StoreError

SCRIPT = runtime.ROOT / "init-mongo.js"
RETENTION = {"readings_retention": 2.0, "alerts_retention": 0.0, "progress_retention": 0.25}
VARIABLES = {f"PIPELINE_{name.upper()}": str(days) for name, days in RETENTION.items()}


def described(uri: str, database: str) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Options and indexes of every collection."""
    with stored.opened(uri, database) as found:
        return {
            one["name"]: (one["options"], sorted(map(dict, found[one["name"]].list_indexes()), key=lambda i: i["name"]))
            for one in found.list_collections()
        }


@pytest.fixture
def made_by_mongosh(mongod: LocalMongod, database: str) -> Iterator[str]:
    """The name of another database, for init-mongo.js."""
    name = f"{database}_js"
    yield name
    with stored.opened(mongod.uri, name) as found:
        found.command("dropAllUsersFromDatabase")
        found.command("dropAllRolesFromDatabase")
        found.client.drop_database(name)


def test_both_make_the_same_collections_options_and_indexes(mongod, database, made_by_mongosh):
    done = mongosh.run(mongod.uri, SCRIPT, PIPELINE_DATABASE=made_by_mongosh)
    store.ensure(mongod.uri, database)

    assert done.returncode == 0, done.stdout + done.stderr
    by_mongosh = described(mongod.uri, made_by_mongosh)
    assert by_mongosh == described(mongod.uri, database)
    assert by_mongosh.keys() == {one.name for one in store_schema.load()}


def test_both_change_the_retention_of_what_is_there(mongod, database, made_by_mongosh):
    mongosh.run(mongod.uri, SCRIPT, PIPELINE_DATABASE=made_by_mongosh)

    done = mongosh.run(mongod.uri, SCRIPT, PIPELINE_DATABASE=made_by_mongosh, **VARIABLES)
    store.ensure(mongod.uri, database)
    store.ensure(mongod.uri, database, RETENTION)

    assert done.returncode == 0, done.stdout + done.stderr
    by_mongosh = described(mongod.uri, made_by_mongosh)
    assert by_mongosh == described(mongod.uri, database)
    expiry = {
        name: [i["expireAfterSeconds"] for i in indexes if "expireAfterSeconds" in i]
        for name, (_, indexes) in by_mongosh.items()
    }
    assert expiry["sensor_metrics"] == [172_800]
    assert expiry["alarms"] == expiry["anomaly_alerts"] == [2**31 - 1]
    assert expiry["pipeline_progress"] == [21_600]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PIPELINE_READINGS_RETENTION": "a week"}, "PIPELINE_READINGS_RETENTION: 'a week' is no number of days"),
        ({"MONGO_INITDB_ROOT_USERNAME": "root"}, "MONGO_APP_PASSWORD is not set"),
        ({"MONGO_INITDB_ROOT_USERNAME": "root", "MONGO_APP_PASSWORD": "x"}, "MONGO_DASHBOARD_PASSWORD is not set"),
        ({"MONGO_APP_PASSWORD_FILE": "/nowhere/password"}, "no such file or directory, open '/nowhere/password'"),
    ],
)
def test_a_wrong_environment_is_an_error_that_names_the_variable(mongod, made_by_mongosh, variables, words):
    done = mongosh.run(mongod.uri, SCRIPT, PIPELINE_DATABASE=made_by_mongosh, **variables)

    assert done.returncode != 0
    assert words in done.stdout + done.stderr


def test_the_users_may_do_their_work_and_no_more(tmp_path: Path):
    port = free_port()
    file = tmp_path / "password"
    file.write_text("fr0m a file\n", encoding="utf-8")
    passwords = {"MONGO_APP_PASSWORD": "p@ss/1", "MONGO_READER_PASSWORD": "look"}
    passwords["MONGO_DASHBOARD_PASSWORD_FILE"] = str(file)
    with local_mongod(tmp_path, port) as server:
        done = mongosh.run(server.uri, SCRIPT, MONGO_READER_USERNAME="guest", PIPELINE_DATABASE="iot", **passwords)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "p@ss/1" not in done.stdout + done.stderr

    with local_mongod(tmp_path, port, options=("--auth",)):
        address = f"127.0.0.1:{port}/iot"
        writer = store.ensure(f"mongodb://pipeline:p%40ss%2F1@{address}", "iot", RETENTION)
        assert store_writes.write_readings(writer, stored.readings(3)).stored == 3

        reader = store.connect(f"mongodb://guest:look@{address}", "iot")
        assert store_queries.count(reader, "sensor_metrics") == 3
        with pytest.raises(StoreError, match="does not let this user do that"):
            store_writes.write_readings(reader, stored.readings(3))

        page = store.connect(f"mongodb://dashboard:fr0m%20a%20file@{address}", "iot")
        store_alarms.write_alerts(writer, [stored.alert(0)], 60)
        [alarm] = store_queries.alarms(page, 60)
        assert store_alarms.acknowledge(page, [alarm["_id"]], "ada", stored.START).done == 1
        with pytest.raises(StoreError, match="does not let this user do that"):
            store_writes.write_readings(page, stored.readings(3))
        with pytest.raises(StoreError, match="does not let this user do that"):
            store_alarms.write_alerts(page, [stored.alert(1)], 60)

        with pytest.raises(StoreError, match="refuses the credentials") as caught:
            store.connect(f"mongodb://pipeline:wr0ng@{address}", "iot")
        assert "wr0ng" not in str(caught.value)
        with pytest.raises(StoreError, match=r"name and password in --mongo-uri"):
            store.connect(f"mongodb://{address}", "iot")

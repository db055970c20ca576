"""How store.py brings a database of a real mongod to what the schema says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import stored

from pipeline import store, store_schema
from pipeline.store import Store
from pipeline.store_faults import StoreError

DAY = 86_400


def indexes(target: Store, collection: str) -> dict[tuple, dict]:
    return {tuple(one["key"].items()): dict(one) for one in target.collection(collection).list_indexes()}


def expiry(target: Store, collection: str, field: str = "stored_at") -> int:
    return indexes(target, collection)[((field, 1),)]["expireAfterSeconds"]


def described(target: Store) -> dict:
    """Collections with their options and unique ids, and their indexes."""
    with stored.opened(target.uri, target.database) as found:
        return {
            one["name"]: (one["options"], one["info"]["uuid"], list(found[one["name"]].list_indexes()))
            for one in found.list_collections()
        }


def test_every_collection_of_the_schema_is_there_and_a_second_time_changes_nothing(target):
    before = described(target)

    store.ensure(target.uri, target.database)

    assert described(target) == before
    assert before.keys() == {one.name for one in store_schema.load()}
    assert all("validator" in options for options, *_ in before.values())


def test_the_indexes_that_are_promised_are_there(target):
    assert indexes(target, "sensor_metrics").keys() == {
        (("_id", 1),),
        (("timestamp", -1),),
        (("sensor_id", 1), ("timestamp", -1)),
        (("sensor_type", 1), ("location", 1)),
        (("stored_at", 1),),
    }
    assert expiry(target, "sensor_metrics") == 7 * DAY
    assert expiry(target, "pipeline_progress", "at") == DAY


def test_a_retention_that_differs_is_changed_and_what_is_stored_stays(target):
    target.collection("dead_letters").insert_one({"_id": "x", **stored.dead_letter(1), "stored_at": datetime.now(UTC)})

    store.ensure(target.uri, target.database, {"dead_letters_retention": 0.5, "readings_retention": 0})

    assert expiry(target, "dead_letters") == DAY // 2
    assert expiry(target, "sensor_metrics") == 2**31 - 1
    assert expiry(target, "alarms") == 30 * DAY
    assert target.collection("dead_letters").count_documents({}) == 1


def test_an_index_with_other_options_is_made_anew(mongod, database):
    with stored.opened(mongod.uri, database) as found:
        found["sensor_metrics"].create_index([("timestamp", -1)], unique=True, name="by_time")
        found["sensor_metrics"].create_index([("stored_at", 1)])

    target = store.ensure(mongod.uri, database)

    assert indexes(target, "sensor_metrics")[(("timestamp", -1),)] == {
        "v": 2,
        "key": {"timestamp": -1},
        "name": "timestamp_-1",
    }
    assert expiry(target, "sensor_metrics") == 7 * DAY


def test_a_validator_that_differs_is_changed(target):
    target.open().command("collMod", "sensors", validator={})

    store.ensure(target.uri, target.database)

    assert "$jsonSchema" in described(target)["sensors"][0]["validator"]


def test_what_others_added_is_left_alone(target):
    target.collection("notes").insert_one({"_id": 1})
    target.collection("alarms").create_index("last.location")

    store.ensure(target.uri, target.database)

    assert target.collection("notes").count_documents({}) == 1
    assert (("last.location", 1),) in indexes(target, "alarms")


def test_several_may_do_it_at_once_whatever_is_there(mongod, database):
    with stored.opened(mongod.uri, database) as found:
        for name in ("sensor_metrics", "alarms", "dead_letters"):
            found[name].create_index([("stored_at", 1)], sparse=True, expireAfterSeconds=5)
            found[name].create_index([("timestamp", -1)], unique=True)

    with ThreadPoolExecutor(6) as pool:
        # Each with a client of its own.
        uris = [f"{mongod.uri}/?appName=test{n}" for n in range(6)]
        done = list(pool.map(lambda uri: store.ensure(uri, database, {"readings_retention": 3}), uris))

    assert expiry(done[0], "sensor_metrics") == 3 * DAY
    assert all("sparse" not in one for name in ("alarms", "dead_letters") for one in indexes(done[0], name).values())


def test_what_is_no_collection_of_ours_is_an_error_that_names_it(mongod, database):
    with stored.opened(mongod.uri, database) as found:
        found.create_collection("alarms", viewOn="sensors")

    with pytest.raises(StoreError, match=r"\.alarms cannot be made .* validator"):
        store.ensure(mongod.uri, database)

"""The collections, their validators, indexes and retention: mongo-schema.json, applied to a database.

init-mongo.js applies the same file in a new container; a test holds the two against each other.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import OperationFailure

from pipeline import runtime
from pipeline.store_faults import AUTHENTICATION_FAILED, UNAUTHORIZED, StoreError, is_passing, reason

log = logging.getLogger(__name__)

SCHEMA_FILE = runtime.ROOT / "mongo-schema.json"
SECONDS_PER_DAY = 86_400
# The most that MongoDB takes for expireAfterSeconds: 68 years.
FOR_GOOD = 2**31 - 1
# Another process changes the same: namespace exists, no such namespace or index, an index with other options, an index
# build that was broken off or is at work.
_OTHERS_AT_WORK = frozenset((48, 26, 27, 85, 86, 276, 117, 12587))
_ATTEMPTS = 10

Keys = dict[str, int]
Document = dict[str, Any]


@dataclass(frozen=True)
class CollectionSchema:
    """How a collection shall be; `expiry` is the date field after which a document is removed some day."""

    name: str
    validator: Document
    indexes: tuple[Keys, ...]
    expiry: str
    retention_setting: str
    retention_days: float

    def options(self) -> Document:
        """The collection's own options."""
        return {"validator": self.validator, "validationLevel": "strict", "validationAction": "error"}

    def expire_after_seconds(self, retention: Mapping[str, float]) -> int:
        """How long a document is kept; `retention` has days by the name of their setting, 0 for good."""
        days = retention.get(self.retention_setting, self.retention_days)
        return math.ceil(days * SECONDS_PER_DAY) if days else FOR_GOOD

    def wanted_indexes(self, retention: Mapping[str, float]) -> list[tuple[Keys, Document]]:
        """Keys and options of all its indexes but that on _id."""
        expiry: tuple[Keys, Document] = (
            {self.expiry: 1},
            {"expireAfterSeconds": self.expire_after_seconds(retention)},
        )
        return [*((keys, {}) for keys in self.indexes), expiry]


def load(path: Path = SCHEMA_FILE) -> list[CollectionSchema]:
    """The collections of the schema file."""
    collections: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["collections"]
    return [
        CollectionSchema(
            name=name,
            validator=one["validator"],
            indexes=tuple(one["indexes"]),
            expiry=one["retention"]["field"],
            retention_setting=one["retention"]["setting"],
            retention_days=one["retention"]["days"],
        )
        for name, one in collections.items()
    ]


def apply(database: Database[Document], retention: Mapping[str, float]) -> None:
    """Bring a database to what the schema says; what is right already is left alone, what is more as well.

    Several processes may do so at once. Raises PyMongo's errors, and StoreError when others keep changing it back.
    """
    for schema in load():
        for _ in range(_ATTEMPTS):
            try:
                if not _change(database, schema, retention):
                    break
            except OperationFailure as error:
                if error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED) or is_passing(error):
                    raise
                if error.code not in _OTHERS_AT_WORK:
                    raise StoreError(
                        f"{database.name}.{schema.name} cannot be made what mongo-schema.json says: {reason(error)} "
                        f"(code {error.code}); rename or remove what is there, or name another --database"
                    ) from error
                log.debug("%s: another process changes it as well: %s", schema.name, error)
        else:
            raise StoreError(
                f"the indexes of {database.name}.{schema.name} do not stay as they shall be; "
                "end what else changes them, or start all with the same retention"
            )


def _change(database: Database[Document], schema: CollectionSchema, retention: Mapping[str, float]) -> bool:
    """Change what differs; whether anything did."""
    found = list(database.list_collections(filter={"name": schema.name}))
    if not found:
        database.create_collection(schema.name, check_exists=False, **schema.options())
    elif found[0]["options"] != schema.options():
        database.command("collMod", schema.name, **schema.options())
    collection = database[schema.name]
    existing = {tuple(index["key"].items()): index for index in collection.list_indexes()}
    missing = []
    changed = not found
    for keys, options in schema.wanted_indexes(retention):
        present = existing.get(tuple(keys.items()))
        if present and _options(present) == options:
            continue
        changed = True
        if present and _options(present).keys() == options.keys() == {"expireAfterSeconds"}:
            log.info("%s: documents expire after %s s from now on", schema.name, options["expireAfterSeconds"])
            database.command("collMod", schema.name, index={"keyPattern": keys, **options})
            continue
        if present:
            log.info("%s: making the index %s anew, with other options", schema.name, present["name"])
            collection.drop_index(present["name"])
        missing.append(IndexModel(keys, **options))
    if missing:
        collection.create_indexes(missing)
    return changed


def _options(index: Mapping[str, Any]) -> Document:
    """What makes an index another one: all but its version, name and keys."""
    return {name: value for name, value in index.items() if name not in {"v", "key", "name", "ns", "background"}}

"""A replica set of MongoDB: made once, of servers that know each other by a key."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from pipeline.console import UserError
from pipeline.store import Document

log = logging.getLogger(__name__)

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_ALREADY_INITIALIZED = 23
_POLL_SECONDS = 0.5


def ensure(name: str, members: Sequence[str], password: str, *, timeout: float = 120.0) -> None:
    """Let the members (host:port, the first one with the data) be a replica set of that name with a primary.

    The first member's root has the password. Nothing is changed where the set is there already. Raises UserError where
    it has no primary after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    config = {
        "_id": name,
        # The first member is elected where it can be: it is the one that people reach from the host.
        "members": [
            {"_id": number, "host": host, "priority": 2 if number == 0 else 1} for number, host in enumerate(members)
        ],
    }
    with MongoClient[Document](
        f"mongodb://{members[0]}",
        username="root",
        password=password,
        directConnection=True,
        serverSelectionTimeoutMS=5000,
    ) as client:
        while True:
            try:
                _initiate(client, config)
                if primary := client.admin.command("hello").get("primary"):
                    log.info("the replica set %s has a primary: %s", name, primary)
                    return
                reason = "it has no primary yet"
            except PyMongoError as error:
                reason = str(error).partition(", full error")[0]
            if time.monotonic() > deadline:
                raise UserError(f"the replica set {name} of {', '.join(members)} does not come up: {reason}")
            # An election tells nobody when it is over.
            time.sleep(_POLL_SECONDS)


def _initiate(client: MongoClient[Document], config: Document) -> None:
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code == _ALREADY_INITIALIZED:
            return
        raise

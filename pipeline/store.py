"""MongoDB: the connection. Clients are made when first used, one a process and URI, and never at import.

The other parts: `store_schema` (collections and indexes), `store_ids` and `store_documents` (records as documents),
`store_writes` and `store_alarms` (idempotent writes), `store_queries`, `store_faults` and `store_bulk` (errors).
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from pipeline import checks, store_schema
from pipeline.console import UsageError
from pipeline.store_faults import Patience, StoreUnavailable, translated

Document = dict[str, Any]

# An outage is noticed after this many seconds, and a server that hangs after the others.
SELECTION_SECONDS = 5.0
CONNECT_SECONDS = 5.0
SOCKET_SECONDS = 30.0
HEALTH_SECONDS = 0.5

_clients: dict[tuple[int, str], MongoClient[Document]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Store:
    """A database of a MongoDB server; it holds no connection, so it can be sent to other processes.

    Writes are journalled, by the majority of a replica set unless the URI says otherwise: what was acknowledged
    survives the server's kill -9, and another one's taking over.
    """

    uri: str = field(repr=False)
    database: str

    @property
    def address(self) -> str:
        """The server's hosts, fit to be shown: without user and password."""
        match = checks.MONGO_URI.match(self.uri)
        return match["hosts"] if match else "(no MongoDB address)"

    def open(self) -> Database[Document]:
        """The database, over this process's client; raises UsageError for a wrong URI."""
        return _client(self).get_database(self.database)

    def collection(self, name: str) -> Collection[Document]:
        """One of its collections."""
        return self.open().get_collection(name)


def _client(store: Store) -> MongoClient[Document]:
    # A client's threads do not survive a fork: each process has its own.
    key = (os.getpid(), store.uri)
    with _lock:
        if key not in _clients:
            _clients[key] = _new_client(store)
        return _clients[key]


def _new_client(store: Store) -> MongoClient[Document]:
    _quieten()
    given = store.uri.lower()
    milliseconds = {
        "serverSelectionTimeoutMS": SELECTION_SECONDS,
        "connectTimeoutMS": CONNECT_SECONDS,
        "socketTimeoutMS": SOCKET_SECONDS,
    }
    limits: dict[str, Any] = {
        name: round(1000 * value) for name, value in milliseconds.items() if name.lower() not in given
    }
    # A client that asks for the journal alone gets no majority, whatever the server's own default is.
    if not re.search(r"[?&;]w=", given):
        limits["w"] = "majority"
    try:
        with warnings.catch_warnings():
            # PyMongo only warns of an option of the URI that is misspelt or has a wrong value.
            warnings.simplefilter("error", UserWarning)
            return MongoClient(store.uri, tz_aware=True, journal=True, appname="sensor-streaming", **limits)
    except (InvalidURI, ConfigurationError, ValueError, UserWarning) as error:
        raise UsageError(f"--mongo-uri: {without_password(str(error), store.uri)}") from None
    except OSError as error:
        # Of the files that tlsCAFile and tlsCertificateKeyFile name; who reads them does not always say which.
        named = f"'{error.filename}': {error.strerror}" if error.filename else str(error)
        raise UsageError(
            f"--mongo-uri: a certificate in it cannot be read ({named}); check tlsCAFile and tlsCertificateKeyFile"
        ) from None


def _quieten() -> None:
    # PyMongo's debug lines tell every heartbeat, and every command with its documents.
    logging.getLogger("pymongo").setLevel(logging.INFO)


def without_password(text: str, uri: str) -> str:
    """A text from elsewhere with the password of the URI covered."""
    match = checks.MONGO_URI.match(uri)
    if not match:
        # It may hold one anywhere.
        return "it is no MongoDB address"
    password = match["password"]
    return text.replace(password, "***").replace(unquote(password), "***") if password else text


def connect(uri: str, database: str) -> Store:
    """A database whose server answers and lets us in.

    Raises within 10 seconds: StoreUnavailable when no server answers, StoreError when it refuses us, UsageError for a
    wrong URI.
    """
    store = Store(uri, database)
    with translated(store.address):
        # A ping would be answered to anybody.
        question = {"listCollections": 1, "nameOnly": True, "authorizedCollections": True}
        try:
            Patience().run(lambda: store.open().command(question))
        except ServerSelectionTimeoutError as error:
            if "connection closed" in str(error) and "tls=true" not in uri.lower():
                raise StoreUnavailable(
                    f"what listens at {store.address} closes the connection: it is no MongoDB server, or it asks for "
                    "TLS; then --mongo-uri needs tls=true, and tlsCAFile=FILE for an authority of its own"
                ) from error
            raise
    return store


def ensure(uri: str, database: str, retention: Mapping[str, float] | None = None) -> Store:
    """Connect as `connect` does, and bring collections, indexes and retention to what mongo-schema.json says.

    `retention` has days by the name of their setting ("readings_retention"; 0: for good); what it leaves out has the
    schema's default. Several processes may do this at once.
    """
    store = connect(uri, database)
    with translated(store.address):
        store_schema.apply(store.open(), retention or {})
    return store


def answers(address: str, data: Path) -> bool:
    """Whether the mongod at host:port that was told to keep its data in `data` answers, asked once and briefly.

    A mongod that tells nobody where its data is, for it asks for passwords, is taken for the right one.
    """
    with _brief_client(address) as client:
        try:
            client.admin.command("ping")
            options = client.admin.command("getCmdLineOpts")
        except OperationFailure:
            return True
        except PyMongoError:
            return False
    return bool(options["parsed"].get("storage", {}).get("dbPath") == str(data))


def reopen_log(address: str) -> None:
    """Let the mongod at host:port go on in a new file of the same name, its log having been renamed."""
    with _brief_client(address) as client, translated(address):
        client.admin.command("logRotate")


def _brief_client(address: str) -> MongoClient[Document]:
    _quieten()
    milliseconds = round(1000 * HEALTH_SECONDS)
    return MongoClient(
        f"mongodb://{address}",
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
    )

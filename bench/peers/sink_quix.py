"""Quix Streams with its own sink for MongoDB, as its documentation has it: documents replaced by their id, or made.

It runs until SIGTERM; processes with the same GROUP share the partitions.

Usage: sink_quix.py SERVERS TOPIC MONGO_URI DATABASE GROUP
"""

import sys
import tempfile
from datetime import datetime
from typing import Any

from quixstreams import Application
from quixstreams.sinks.base.item import SinkItem
from quixstreams.sinks.community.mongodb import MongoDBSink

# A commit writes what came since the last one as one ordered bulk for each partition: the sink has no size of its own.
# The default is all that came in 5 seconds; longer bulks than these are no faster, and nothing is read meanwhile.
COMMIT_EVERY = 10_000
COMMIT_SECONDS = 1.0


def document(value: dict[str, Any]) -> dict[str, Any]:
    """A reading as it is stored: its timestamp as a date, and the event's id as the document's."""
    value["timestamp"] = datetime.fromisoformat(value["timestamp"])
    value["_id"] = value.pop("event_id")
    return value


def by_id(item: SinkItem) -> dict[str, Any]:
    """What a document is found by."""
    return {"_id": item.value["_id"]}


def main() -> None:
    servers, topic, uri, database, group = sys.argv[1:6]
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            servers,
            consumer_group=group,
            auto_offset_reset="earliest",
            auto_create_topics=False,
            commit_every=COMMIT_EVERY,
            commit_interval=COMMIT_SECONDS,
            state_dir=state,
            consumer_extra_config={"fetch.queue.backoff.ms": 20},
        )
        sink = MongoDBSink(
            # The sink puts the scheme in front by itself.
            host=uri.removeprefix("mongodb://"),
            db=database,
            collection="sensor_metrics",
            document_matcher=by_id,
            # It takes MongoDB a fifth less than UpdateOne, the sink's default.
            update_method="ReplaceOne",
            upsert=True,
        )
        readings = app.dataframe(app.topic(topic, value_deserializer="json"))
        readings.apply(document).sink(sink)
        app.run()


main()

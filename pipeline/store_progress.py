"""What the streaming queries did, batch by batch, and the counts that go on over all batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import UpdateOne

from pipeline import store_bulk, store_documents
from pipeline.store import Store
from pipeline.store_faults import StoreError, translated
from pipeline.store_writes import USUAL, Manner


def write_progress(
    store: Store, progress: Mapping[str, Any], counts: Mapping[str, int], manner: Manner = USUAL
) -> None:
    """Keep a batch's progress, and add its `counts` to the totals of its query, once however often it is written.

    `progress` has query (its name), query_id (the same as long as its checkpoint), batch_id, at, and any figures.
    A batch that counted nothing leaves the totals alone: Spark reports an idle query under the id of the batch to
    come. Raises StoreUnavailable, and StoreError for figures that cannot be stored.
    """
    document = {**progress, "at": store_documents.instant(progress["at"])}
    identity = f"{document['query_id']}-{document['batch_id']}"
    whole = UpdateOne({"_id": identity}, [{"$replaceWith": {"$literal": {"_id": identity, **document}}}], upsert=True)
    with translated(store.address):
        reasons = store_bulk.change(store.collection("pipeline_progress"), [whole], manner.patience)
        if any(counts.values()) and not reasons:
            operation = _added(document, counts)
            reasons = store_bulk.change(store.collection("pipeline_totals"), [operation], manner.patience)
    for reason in reasons.values():
        raise StoreError(f"the progress of the query {document['query']} cannot be stored: {reason}")


def _added(document: Mapping[str, Any], counts: Mapping[str, int]) -> UpdateOne:
    is_new = {"$gt": [document["batch_id"], {"$ifNull": ["$last_batch", -1]}]}
    fields: dict[str, Any] = {
        "query": {"$literal": document["query"]},
        "at": document["at"],
        "last_batch": {"$max": ["$last_batch", document["batch_id"]]},
    }
    for name, number in counts.items():
        before = {"$ifNull": [f"$counts.{name}", 0]}
        fields[f"counts.{name}"] = {"$cond": [is_new, {"$add": [before, number]}, before]}
    return UpdateOne({"_id": document["query_id"]}, [{"$set": fields}], upsert=True)

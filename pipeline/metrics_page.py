"""What dashboard.py tells Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest

from pipeline import metrics_server, store_dashboard
from pipeline.clock import Clock, SystemClock
from pipeline.metrics import SECONDS_BOUNDS, Metric, Readout, Values
from pipeline.shared_answers import SharedAnswers
from pipeline.snapshots import Snapshots
from pipeline.store import Store
from pipeline.store_faults import StoreError

# A page that has not asked for so long is not looked at any more; beyond so many the oldest are forgotten.
GONE_SECONDS = 90.0
VIEWERS_LIMIT = 10_000
# How long MongoDB may take to say that it is there, and how long that is remembered.
MONGODB_SECONDS = 1.0

REQUESTS = Metric(
    "pipeline_page_requests_total",
    "counter",
    "requests",
    "requests that were answered; `what` is page, tick, callback (any other), asset, login, health, metrics or none of "
    "them (other)",
    ("what", "code"),
)
TICKS = Metric(
    "pipeline_page_tick_seconds",
    "histogram",
    "seconds",
    "time that a tick took at the server; a tick is what a page asks for every few seconds",
    ("page",),
    SECONDS_BOUNDS,
)
TICK_BYTES = Metric(
    "pipeline_page_tick_bytes_total", "counter", "bytes", "what the answers to ticks weigh, as they are sent", ("page",)
)
SNAPSHOTS = Metric(
    "pipeline_page_snapshots_total",
    "counter",
    "snapshots",
    "answers to ticks that were made for one (made), or made for another page shortly before (shared)",
    ("source",),
)
VIEWERS = Metric(
    "pipeline_page_viewers",
    "gauge",
    "pages",
    f"pages in browsers that have ticked within {GONE_SECONDS:g} seconds; one that is paused does not",
    ("page",),
)
MONGODB = Metric("pipeline_page_mongodb_up", "gauge", "1 or 0", "whether MongoDB answers within a second")
QUESTIONS = Metric(
    "pipeline_page_question_seconds",
    "histogram",
    "seconds",
    "time that MongoDB took for a command, by the function that asked; outcome is ok or failed",
    ("question", "outcome"),
    SECONDS_BOUNDS,
)

METRICS = (REQUESTS, TICKS, TICK_BYTES, SNAPSHOTS, VIEWERS, MONGODB, QUESTIONS)


class PageFigures:
    """Gathers what the page's server tells."""

    def __init__(self, store: Store, snapshots: Snapshots, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        # When each page in a browser was last heard of, the last at the end.
        self._heard: dict[tuple[str, str], float] = {}
        self._mongo: SharedAnswers[Store, bool] = SharedAnswers(_answers, MONGODB_SECONDS)
        self._store, self._snapshots = store, snapshots
        self.registry: CollectorRegistry = metrics_server.registry(Readout((SNAPSHOTS, VIEWERS, MONGODB), self._read))
        self._requests = metrics_server.counter(REQUESTS, self.registry)
        self._ticks = metrics_server.histogram(TICKS, self.registry)
        self._bytes = metrics_server.counter(TICK_BYTES, self.registry)
        self._questions = metrics_server.histogram(QUESTIONS, self.registry)

    def _read(self) -> Mapping[Metric, Values]:
        made, shared = self._snapshots.counts()
        return {
            SNAPSHOTS: {("made",): made, ("shared",): shared},
            VIEWERS: self._viewers(),
            MONGODB: {(): float(self.mongo_answers())},
        }

    def mongo_answers(self) -> bool:
        """Whether MongoDB answers; asked once a second at most."""
        return self._mongo.get(self._store)

    def request(self, what: str, code: int) -> None:
        """A request was answered."""
        self._requests.labels(what, code).inc()

    def tick(self, page: str, viewer: str, seconds: float, size: int) -> None:
        """A tick of a page ("/") in a browser was answered with so many bytes."""
        self._ticks.labels(page).observe(seconds)
        self._bytes.labels(page).inc(size)
        key = (page, viewer)
        with self._lock:
            self._heard.pop(key, None)
            self._heard[key] = self._clock.monotonic()
            if len(self._heard) > VIEWERS_LIMIT:
                del self._heard[next(iter(self._heard))]

    def question(self, question: str, outcome: str, seconds: float) -> None:
        """MongoDB has answered, or failed to."""
        self._questions.labels(question, outcome).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)

    def _viewers(self) -> Values:
        with self._lock:
            now = self._clock.monotonic()
            self._heard = {key: at for key, at in self._heard.items() if now - at <= GONE_SECONDS}
            return Counter((page,) for page, _ in self._heard)


def _answers(store: Store) -> bool:
    try:
        with store_dashboard.within(MONGODB_SECONDS):
            store_dashboard.answers(store)
    except StoreError:
        return False
    return True

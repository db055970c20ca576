"""What producer.py tells Prometheus: the counts of all its processes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.clock import Clock
from pipeline.emulation import Job, Moment
from pipeline.faults import Fault
from pipeline.metrics import SECONDS_BOUNDS, Distribution, Metric, Readout, Values
from pipeline.tally import LatencyHistogram, Tally

SENT = Metric(
    "pipeline_producer_messages_sent_total",
    "counter",
    "messages",
    "messages handed to the Kafka client (written, with --dry-run)",
    ("sensor_type",),
)
ACKNOWLEDGED = Metric(
    "pipeline_producer_messages_acknowledged_total", "counter", "messages", "messages that the broker has acknowledged"
)
FAILED = Metric("pipeline_producer_messages_failed_total", "counter", "messages", "messages that were refused for good")
WAITING = Metric(
    "pipeline_producer_messages_waiting", "gauge", "messages", "messages sent and neither acknowledged nor failed"
)
ANOMALIES = Metric(
    "pipeline_producer_anomalies_total", "counter", "messages", "messages sent with a value outside the normal range"
)
FAULTS = Metric(
    "pipeline_producer_faults_total", "counter", "readings", "readings with a fault made on purpose", ("fault",)
)
ACKNOWLEDGEMENT = Metric(
    "pipeline_producer_acknowledgement_seconds",
    "histogram",
    "seconds",
    "time from handing a message to the Kafka client to its acknowledgement (bounds are right to within 2 %)",
    bounds=SECONDS_BOUNDS,
)
ASKED = Metric(
    "pipeline_producer_asked_messages_per_second",
    "gauge",
    "messages a second",
    "what the timetable asks for at this moment; missing with --unpaced",
)
BEHIND = Metric(
    "pipeline_producer_behind_seconds",
    "gauge",
    "seconds",
    "how long after its time the last message went out; missing with --unpaced",
)
SENSORS = Metric("pipeline_producer_sensors", "gauge", "sensors", "sensors that are emulated")

METRICS = (SENT, ACKNOWLEDGED, FAILED, WAITING, ANOMALIES, FAULTS, ACKNOWLEDGEMENT, ASKED, BEHIND, SENSORS)


class ProducerFigures:
    """The latest counts of a job."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self._job, self._clock = job, clock
        self._tally = Tally()
        self._origin: float | None = None

    def begin(self, moment: Moment) -> None:
        """The timetable begins."""
        self._origin = moment.origin

    def beside(self, report: Callable[[Tally], None]) -> Callable[[Tally], None]:
        """What takes the counts for `report` and for us."""

        def both(tally: Tally) -> None:
            self._tally = tally
            report(tally)

        return both

    def readout(self) -> Readout:
        """What is to be served."""
        return Readout(METRICS, self.read)

    def read(self) -> Mapping[Metric, Values]:
        """The figures now. The run goes on meanwhile in another thread, so what grows is copied first."""
        tally = self._tally
        # In this order nothing was acknowledged that was not sent.
        acknowledged, failed, sent = tally.acknowledged, tally.failed, tally.sent
        types = dict(tally.types)
        shown: dict[Metric, Values] = {
            SENT: {(self._job.fleet.types[index],): count for index, count in types.items()},
            ACKNOWLEDGED: {(): acknowledged},
            FAILED: {(): failed},
            WAITING: {(): sent - acknowledged - failed},
            ANOMALIES: {(): tally.anomalies},
            FAULTS: {(Fault(fault).name.lower(),): count for fault, count in dict(tally.faults).items()},
            ACKNOWLEDGEMENT: {(): distribution(tally.latency)},
            SENSORS: {(): self._job.fleet.size},
        }
        if self._job.paced and self._origin is not None:
            shown[ASKED] = {(): self._asked(self._clock.monotonic() - self._origin)}
            shown[BEHIND] = {(): tally.behind}
        return shown

    def _asked(self, seconds: float) -> float:
        limit = self._job.limits.duration
        if limit is not None and seconds > limit:
            return 0.0
        return self._job.fleet.schedule.mean_rate(max(seconds, 0.0), max(seconds, 0.0) + 1.0)


def distribution(latency: LatencyHistogram) -> Distribution:
    """A histogram in the buckets that Prometheus is told."""
    copy = LatencyHistogram(dict(latency.buckets))
    return Distribution(
        {bound: copy.within(bound) for bound in SECONDS_BOUNDS}, sum(copy.buckets.values()), latency.total
    )

"""Whether every part scales out, and what a second Spark worker brings. Everything runs on this one machine.

Three Kafka brokers hold a topic of twelve partitions, each on all three. First two producers send to it at once, three
consumers of a group count it, and spark_job.py stores it by two workers of a standalone cluster, with everything on.
The benchmark fails unless verify.py finds that all is right, the consumers have counted each reading once, and the
partitions are spread over brokers and consumers, and the work over the workers.

Then the job works off a backlog with one worker of one core, and with two. Seconds count from the first document in
MongoDB to the end of the job's process; processor time is that of the job and of the cluster from their start on, and
that of mongod meanwhile.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measuring
import psutil
from backlog import CACHE_GB, TOPIC, Processors, fill, stored
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource
from harness import Script, await_condition, local_mongod, scripts
from jobs import START_SECONDS, Job
from kafka_cluster import kafka_cluster
from measuring import Round, contest_parser, in_turns, keep, keep_table, results
from spark_cluster import SparkCluster, spark_cluster

from pipeline.broker import Connection, Topic, ensure_topics
from pipeline.console import ExitCode, Interrupted, UserError, counted, signals_interrupt
from pipeline.store import Store
from spark_job import READY

LIVE, GROUP = "live", "counting"
BROKERS, PARTITIONS, PRODUCERS, CONSUMERS, WORKERS = 3, 12, 2, 3, 2
BASELINE = "one worker"
# What may be taken: until all replicas of a new topic are there, until all is stored or counted, and for an answer.
TOPIC_SECONDS, CATCH_UP_SECONDS, ANSWER_SECONDS = 60.0, 300.0, 30.0


class NotSoError(Exception):
    """Something that has to hold does not: one line that says what."""


@dataclass(frozen=True)
class Fact:
    """A row of the first table: a part, the processes that it ran in, what was checked of them, and the figure."""

    part: str
    processes: str
    checked: str
    figure: str


@dataclass(frozen=True)
class Rig:
    """The servers, what asks the brokers, what starts our scripts, and the folder for all that is written."""

    servers: str
    admin: AdminClient
    uri: str
    mongod: psutil.Process
    start: Callable[..., Script]
    folder: Path

    def job(self, topic: str) -> Job:
        """A job for a topic, with a folder and a database of its own."""
        name = f"{topic}_{secrets.token_hex(4)}"
        folder = self.folder / name
        folder.mkdir()
        return Job(self.start, self.servers, Store(self.uri, name), topic, folder)


def require(holds: bool, otherwise: str) -> None:
    """Raises NotSoError, with a line that says what is not so, unless it holds."""
    if not holds:
        raise NotSoError(otherwise)


def await_end(script: Script, name: str, seconds: float) -> None:
    """Wait until a script has ended well. Raises NotSoError when it failed, AssertionError when it takes longer."""
    done = script.wait(seconds)
    require(done.code == ExitCode.DONE, f"{name} ended with exit code {done.code}: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """The last line of what a script has said."""
    return ["it said nothing", *text.splitlines()][-1]


def told(counts: Iterable[int]) -> str:
    """Several numbers and what they come to: 4 + 4 + 4 = 12."""
    every = list(counts)
    return f"{' + '.join(f'{one:,}' for one in every)} = {sum(every):,}"


# --- the first part: everything in several processes -----------------------------------------------------------------


def proved(rig: Rig, sensors: int, rate: float, seconds: float) -> list[Fact]:
    """Run everything at once and check it: the facts. Each producer sends `rate` readings a second for `seconds`.

    Raises NotSoError when something does not hold, AssertionError when something takes too long.
    """
    job = rig.job(LIVE)
    with spark_cluster(job.folder / "cluster", workers=WORKERS, cores=1) as cluster:
        consumers = [_consumer(rig) for _ in range(CONSUMERS)]
        await_condition(lambda: _are_sharing(rig), f"{CONSUMERS} consumers share {PARTITIONS} partitions")
        shares = _shares(rig)
        at_work = job.start("--master", cluster.address, "--alert-mode", "micro-batch")
        _await_ready(at_work)
        verdict = _verdict(rig, job, _send(rig, job, sensors, rate, seconds))
        sent = [run["sent"] for run in verdict["runs"]]
        counts = _counts(rig, consumers, shares, sum(sent))
        facts = [
            *_brokers(rig),
            Fact("`producer.py`", f"{PRODUCERS}", "readings sent by each, all acknowledged", told(sent)),
            Fact("`consumer.py`", f"{CONSUMERS} in a group", "partitions of each", told(map(len, shares.values()))),
            Fact("", "", "readings counted by each, in all as many as were sent", told(counts)),
            *_workers(cluster),
            *_stored(verdict),
        ]
        at_work.signal(signal.SIGTERM)
        await_end(at_work, "spark_job.py", START_SECONDS)
    return facts


def _consumer(rig: Rig) -> Script:
    where = ("--servers", rig.servers, "--topic", LIVE, "--group", GROUP, "--from-beginning")
    return rig.start("consumer.py", *where, "--format", "json", "--interval", 2)


def _shares(rig: Rig) -> dict[str, frozenset[int]]:
    """The partitions of each member of the group, by the coordinator's name for it."""
    described = rig.admin.describe_consumer_groups([GROUP])[GROUP].result(ANSWER_SECONDS)
    return {
        one.member_id: frozenset(partition.partition for partition in one.assignment.topic_partitions)
        for one in described.members
    }


def _are_sharing(rig: Rig) -> bool:
    """Whether every consumer has partitions, and every partition one consumer."""
    try:
        shares = _shares(rig)
    except KafkaException:
        # Who coordinates the group is settled when its first member asks.
        return False
    read = sorted(partition for one in shares.values() for partition in one)
    return len(shares) == CONSUMERS and all(shares.values()) and read == list(range(PARTITIONS))


def _await_ready(at_work: Script) -> None:
    """Wait until the queries run; raises NotSoError when the job ends before, AssertionError when it takes too long."""
    await_condition(lambda: READY in at_work.stderr or at_work.process.poll() is not None, READY, START_SECONDS)
    require(READY in at_work.stderr, f"spark_job.py ended before its queries ran: {last_line(at_work.stderr)}")


def _send(rig: Rig, job: Job, sensors: int, rate: float, seconds: float) -> Path:
    """Let the producers send side by side, to the end of all: their ledgers as one, whose lines name their run."""
    ledgers = [job.folder / f"ledger-{number}.jsonl" for number in range(PRODUCERS)]
    words = ("--servers", rig.servers, "--topic", LIVE, "--sensors", sensors, "--rate", rate, "--duration", seconds)
    started = [
        rig.start("producer.py", *words, "--run", f"{secrets.randbits(48):012x}", "--ledger", ledger)
        for ledger in ledgers
    ]
    for one in started:
        await_end(one, "producer.py", seconds + CATCH_UP_SECONDS)
    whole = job.folder / "ledger.jsonl"
    whole.write_bytes(b"".join(one.read_bytes() for one in ledgers))
    return whole


def _verdict(rig: Rig, job: Job, ledger: Path) -> dict[str, Any]:
    """What verify.py says of a ledger; raises NotSoError unless all is right."""
    where = ("--mongo-uri", job.target.uri, "--database", job.target.database)
    script = rig.start("verify.py", "--ledger", ledger, "--wait", CATCH_UP_SECONDS, "--json", *where)
    done = script.wait(2 * CATCH_UP_SECONDS)
    require(bool(done.stdout), f"verify.py compared nothing: {last_line(done.stderr)}")
    verdict: dict[str, Any] = json.loads(done.stdout)
    faults = (
        f"{sum(run['missing'] for run in verdict['runs']):,} readings and {verdict['alerts']['missing']:,} alerts "
        f"missing, {verdict['windows']['different']:,} windows not as the readings say"
    )
    require(done.code == ExitCode.DONE, f"verify.py ended with exit code {done.code}: {faults}")
    for run in verdict["runs"]:
        happened = f"of {run['sent']:,} readings {run['acknowledged']:,} were acknowledged and {run['stored']:,} stored"
        require(0 < run["sent"] == run["acknowledged"] == run["stored"], happened)
    return verdict


def _counts(rig: Rig, consumers: Sequence[Script], shares: Mapping[str, frozenset[int]], sent: int) -> list[int]:
    """Let the consumers count all that was sent, and end: what each of them has counted."""
    await_condition(
        lambda: sum(map(_records, consumers)) >= sent, f"the consumers have counted {sent:,}", CATCH_UP_SECONDS
    )
    require(_shares(rig) == shares, "the consumers shared the partitions anew while they counted; try a lower --rate")
    for one in consumers:
        one.signal(signal.SIGTERM)
    for one in consumers:
        await_end(one, "consumer.py", CATCH_UP_SECONDS)
    counts = [_records(one) for one in consumers]
    require(sum(counts) == sent, f"the consumers have counted {told(counts)} of {sent:,} readings")
    return counts


def _records(consumer: Script) -> int:
    """How many readings a consumer has counted, by the last line that it has written whole."""
    lines = consumer.stdout.split("\n")[:-1]
    return int(json.loads(lines[-1])["records"]) if lines else 0


def _brokers(rig: Rig) -> list[Fact]:
    """That the partitions are spread over the brokers, and on all of them."""
    partitions = rig.admin.list_topics(LIVE, timeout=ANSWER_SECONDS).topics[LIVE].partitions.values()
    led = Counter(one.leader for one in partitions)
    in_sync = min(len(one.isrs) for one in partitions)
    asked = ConfigResource(ConfigResource.Type.TOPIC, LIVE)
    needed = int(rig.admin.describe_configs([asked])[asked].result(ANSWER_SECONDS)["min.insync.replicas"].value)
    require(len(led) == BROKERS, f"{len(led)} of {BROKERS} brokers lead partitions")
    require(in_sync == BROKERS, f"a partition has {in_sync} of {BROKERS} replicas in sync")
    require(needed == BROKERS - 1, f"{needed} replicas in sync are enough for the brokers, and {BROKERS - 1} should be")
    return [
        Fact("Kafka", f"{BROKERS} brokers", "partitions led by each", told(led.values())),
        Fact(
            "", "", "replicas in sync of each partition, and how many an acknowledgement needs", f"{in_sync}, {needed}"
        ),
    ]


def _workers(cluster: SparkCluster) -> list[Fact]:
    """That all workers took their part."""
    idle = sum(not one.has_worked for one in cluster.workers)
    require(not idle, f"{idle} of {WORKERS} Spark workers had nothing to do")
    seconds = [Processors([psutil.Process(one.running.identity.pid)]).seconds() for one in cluster.workers]
    used = " and ".join(f"{one:.0f} s" for one in seconds)
    processes = f"a driver, a master, {WORKERS} workers"
    return [Fact("`spark_job.py`", processes, "processor time of each worker and its executor", used)]


def _stored(verdict: Mapping[str, Any]) -> list[Fact]:
    """What verify.py has compared, and found right."""
    readings = told(run["stored"] for run in verdict["runs"])
    windows, alerts = verdict["windows"]["equal"], verdict["alerts"]["expected"]
    return [
        Fact("`verify.py`", "over both ledgers", "readings stored, none missing and none twice", readings),
        Fact("", "", "windows as the readings say, none otherwise", f"{windows:,}"),
        Fact("", "", "alerts as the rules say, none missing", f"{alerts:,}"),
    ]


def table(facts: Sequence[Fact]) -> str:
    """The facts as a Markdown table."""
    lines = ["| part | processes | what was checked | figure |", "|---|---|---|---:|"]
    lines += [f"| {one.part} | {one.processes} | {one.checked} | {one.figure} |" for one in facts]
    return "\n".join(lines)


# --- the second part: a backlog, by one worker and by two -------------------------------------------------------------


def stored_by(rig: Rig, count: int, workers: int) -> Round:
    """Let the job store the backlog by so many workers of one core each.

    Raises RuntimeError when the job stores something else or takes too long, NotSoError when it fails.
    """
    job = rig.job(TOPIC)
    readings = job.target.collection("sensor_metrics")
    with spark_cluster(job.folder / "cluster", workers=workers, cores=1) as cluster:
        at_work = job.start("--master", cluster.address, "--available-now")
        pids = [at_work.pid, cluster.master.identity.pid, *(one.running.identity.pid for one in cluster.workers)]

        def check() -> None:
            if at_work.process.poll() is not None:
                await_end(at_work, "spark_job.py", 0)

        parts = [psutil.Process(pid) for pid in pids]
        found = stored(readings, count, parts, [rig.mongod], check, lambda: at_work.process.poll() is not None)
    # The next round has the whole of mongod's cache.
    job.target.open().client.drop_database(job.target.database)
    return found


# --- both -------------------------------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> None:
    """Run both parts and keep their figures."""
    with (
        tempfile.TemporaryDirectory(prefix="scale-out-") as name,
        kafka_cluster(Path(name) / "kafka", BROKERS) as kafka,
        local_mongod(Path(name) / "mongod", cache_gb=CACHE_GB) as mongod,
        scripts(Path(name)) as start,
    ):
        process = psutil.Process(mongod.running.identity.pid)
        # The client has to be held as long as an answer is waited for, which comes over a thread of its own.
        admin = AdminClient(Connection(kafka.servers).properties())
        rig = Rig(kafka.servers, admin, mongod.uri, process, start, Path(name))
        topics = [Topic(LIVE, PARTITIONS), Topic(TOPIC, PARTITIONS)]
        ensure_topics(Connection(kafka.servers), topics, timeout=TOPIC_SECONDS)
        _prove(rig, options)
        _race(rig, options)


def _prove(rig: Rig, options: argparse.Namespace) -> None:
    facts = proved(rig, options.sensors, options.rate, options.seconds)
    about = (
        f"Every part in several processes at once, for {options.seconds:g} s: a topic of {PARTITIONS} partitions, "
        f"{PRODUCERS} producers of {options.rate:,g} readings a second and {options.sensors:,} sensors each, the "
        "job with everything on, and one mongod, all on the same machine."
    )
    keep_table("scale_out", about, table(facts))


def _race(rig: Rig, options: argparse.Namespace) -> None:
    fill(rig.servers, options.messages)
    contestants: dict[str, Callable[[int], Round]] = {
        BASELINE: lambda _: stored_by(rig, options.messages, 1),
        "two workers": lambda _: stored_by(rig, options.messages, 2),
    }
    measured = in_turns(contestants, options.rounds)
    about = (
        f"A backlog of {options.messages:,} readings in {PARTITIONS} partitions, worked off by spark_job.py with "
        f"everything on, by Spark workers of one core each, {counted(options.rounds, 'round')} in turns. The workers "
        f"share the machine's processors with the job's driver, {BROKERS} brokers and mongod. Processor time is that "
        "of job and cluster from their start on, and of mongod."
    )
    keep("scale_out_speed", results(measured, BASELINE), BASELINE, about)


def main() -> int:
    """Run it; what does not hold, or cannot be run, is told in a line."""
    parser = contest_parser(__doc__, 300_000, 3)
    parser.add_argument("--seconds", type=float, default=60, help="how long the producers send (default: 60)")
    parser.add_argument("--rate", type=float, default=1000, help="readings a second of each producer (default: 1000)")
    parser.add_argument("--sensors", type=int, default=500, help="sensors of each producer (default: 500)")
    options = parser.parse_args()
    try:
        with signals_interrupt():
            run(options)
    except (NotSoError, UserError, AssertionError, RuntimeError, KafkaException, subprocess.SubprocessError) as error:
        # Behind the first line there may be all that a script has said.
        print(f"scale_out.py: {str(error).splitlines()[0]}", file=sys.stderr)
        return ExitCode.FAILED
    except (KeyboardInterrupt, Interrupted):
        print("scale_out.py: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(measuring.run(main))

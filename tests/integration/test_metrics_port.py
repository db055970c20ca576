"""--metrics-port: what Prometheus reads of a producer and a consumer at work."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from harness import LocalBroker, Script, await_condition, free_port
from scraping import scrape
from topics import read_all, write_all

from pipeline import metrics_consumer, metrics_producer
from pipeline.metrics_consumer import CONNECTED, CONSUMED, LAG, REJECTED
from pipeline.metrics_producer import ACKNOWLEDGED, ACKNOWLEDGEMENT, ANOMALIES, FAILED, FAULTS, SENSORS, SENT, WAITING


def test_the_figures_of_several_producing_processes_add_up_to_what_the_topic_holds(
    broker: LocalBroker, topic: str, start_script: Callable[..., Script]
):
    # given a producer that pauses for good after a second
    port = free_port()
    script = start_script(
        *("producer.py", "--servers", broker.servers, "--topic", topic, "--processes", 2, "--metrics-port", port),
        *("--sensors", 30, "--rate", 1500, "0@1", "--duplicate-rate", 0.1, "--anomaly-rate", 0.1),
    )
    script.await_output(f"metrics: http://127.0.0.1:{port}/metrics")

    # when all is acknowledged
    await_condition(lambda: scrape(port).value(ACKNOWLEDGED) == 1650, "1,500 readings, 150 of them twice")

    # then
    shown = scrape(port)
    shown.require_declared(metrics_producer.METRICS)
    assert shown.total(SENT) == len(read_all(broker.servers, topic)) == 1650
    assert shown.value(FAILED) == shown.value(WAITING) == 0
    assert shown.value(SENSORS) == 30
    assert shown.value(ANOMALIES) >= 150
    assert shown.value(FAULTS, fault="duplicate") == 150
    assert shown.value(f"{ACKNOWLEDGEMENT.name}_count") == 1650
    assert shown.value(f"{ACKNOWLEDGEMENT.name}_bucket", le="+Inf") == 1650
    assert shown.value(metrics_producer.ASKED) == 0
    assert shown.value("process_resident_memory_bytes") > 1e6
    script.signal(signal.SIGTERM)
    assert script.wait().code == 0


def test_a_consumers_figures_are_those_of_its_partitions(
    broker: LocalBroker, topic: str, start_script: Callable[..., Script], run_script: Callable[..., Any]
):
    # given 900 readings, and two messages that are none
    words = ("--servers", broker.servers, "--topic", topic)
    run_script("producer.py", *words, "--sensors", 30, "--count", 900, "--unpaced")
    write_all(broker.servers, topic, [b"nonsense", b"{}"])
    held = [record.partition() for record in read_all(broker.servers, topic)]
    port = free_port()

    # when
    script = start_script("consumer.py", *words, "--from-beginning", "--interval", 1, "--metrics-port", port)
    script.await_output(f"metrics: http://127.0.0.1:{port}/metrics")
    await_condition(lambda: scrape(port).total(CONSUMED) == 902, "all records")
    await_condition(lambda: len([one for one in scrape(port).samples if one[0] == LAG.name]) == 3, "the lag")

    # then
    shown = scrape(port)
    shown.require_declared(metrics_consumer.METRICS)
    for partition in range(3):
        labels = {"topic": topic, "partition": str(partition)}
        assert shown.value(CONSUMED, **labels) == held.count(partition)
    assert shown.value(REJECTED, topic=topic, code="not_json") == 1
    assert shown.value(REJECTED, topic=topic, code="missing_field") == 1
    assert shown.value(CONNECTED) == 1
    await_condition(lambda: scrape(port).total(LAG) == 0, "no lag")
    script.signal(signal.SIGTERM)
    assert script.wait().code == 0


def test_a_taken_port_is_named_with_its_option(broker: LocalBroker, topic: str, run_script: Callable[..., Any]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_script("producer.py", "--servers", broker.servers, "--topic", topic, "--metrics-port", port)

    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(f"producer.py: port {port} is taken by ")
    assert done.stderr.endswith("end that or choose another with --metrics-port\n")


@pytest.mark.parametrize("name", ["producer.py", "consumer.py", "spark_job.py", "dashboard.py"])
def test_where_metrics_are_served_says_nothing_without_a_port(run_script: Callable[..., Any], name: str):
    done = run_script(name, env={"PIPELINE_METRICS_HOST": "0.0.0.0"})

    assert (done.code, done.stdout) == (2, "")
    said = "environment variable PIPELINE_METRICS_HOST says where --metrics-port is served: give that as well"
    assert done.stderr == f"{name}: {said}\n"

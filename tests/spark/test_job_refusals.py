"""What spark_job.py refuses before it starts Spark: one line that says what, where, and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness import Completed, free_port

from pipeline import store_progress
from pipeline.store import Store

RULE = '[[rule]]\nname = "hot"\nsensor_type = "temperature"\npriority = "high"\nabove = 35\n'


def only_line(done: Completed, code: int) -> str:
    """The one line that was said."""
    assert done.code == code, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("spark_job.py: ")
    return line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--slide", "20s"), "--slide 20 s is longer than --window 10 s: readings between two windows would count"),
        (("--watermark", "20s"), "--watermark 20 s must be more than twice --max-ahead 10 s"),
        (("--watermark", "2m", "--max-ahead", "60"), "--watermark 120 s must be more than twice --max-ahead 60 s"),
        (("--window", "ten"), "--window: 'ten' is no span of time; give one such as 10s"),
        (("--window", "0.5s"), "--window: 0.5s is out of range: 1 to 604800 seconds"),
        (("--alert-mode", "fast"), "--alert-mode: 'fast' is not one of real-time, micro-batch"),
        (("--alert-batch", "1s"), "--alert-batch: 1s is out of range: 5 to 86400 seconds"),
        (("--starting-offsets", "42"), "--starting-offsets: '42' is not one of earliest, latest"),
        (("--queries", "readings", "alerts"), "--queries: 'alerts' is not one of readings, windows, router"),
        (("--max-offsets-per-trigger", "0"), "--max-offsets-per-trigger: 0 is out of range: at least 1"),
        (
            ("--master", "laptop"),
            "--master: 'laptop' is no Spark master; give one such as local[4] or spark://host:7077",
        ),
        (("--driver-memory", "lots"), "--driver-memory: 'lots' is no amount of memory; give one such as 512m or 2g"),
        (("--checkpoint", ""), "--checkpoint: it is empty"),
        (("--topic", "no topic"), "--topic: 'no topic' is no topic name"),
        (("--database", "admin"), "--database: 'admin' is no database name"),
        (("--mongo-uri", "localhost"), "--mongo-uri: it is no MongoDB address"),
        (("--rules", "missing.toml"), "--rules: there is no file 'missing.toml'; check the path"),
        (("--catalog", "missing.toml"), "--catalog: there is no file 'missing.toml'; check the path"),
        (("--security-protocol", "SASL_SSL"), "--security-protocol SASL_SSL needs --sasl-username and --sasl-password"),
        (("--readings-retention", "-1"), "--readings-retention: -1 is out of range: at least 0"),
        (("--windows", "10s"), "unrecognized arguments: --windows 10s"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_named_with_what_would_be_right(run_script, words, message):
    assert message in only_line(run_script("spark_job.py", *words), 2)


def test_a_wrong_value_in_the_environment_is_named_with_its_variable(run_script):
    done = run_script("spark_job.py", env={"PIPELINE_WINDOW": "soon"})

    assert "environment variable PIPELINE_WINDOW: 'soon' is no span of time" in only_line(done, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "rules.toml: has no rules; begin one with a line [[rule]]"),
        (RULE + "\n" + RULE, "rules.toml: rule 2 (line 7): the name 'hot' is taken by rule 1 (line 1)"),
        (RULE.replace("above = 35", ""), "rules.toml: rule 1 (line 1): needs a limit: below, above or both"),
        ("# mine\n" + RULE.replace("high", "urgent"), "rule 1 (line 2): priority must be one of low, normal, high"),
        (RULE + "unless = 1\n", "unless"),
        (RULE + "above = 36\n", "line 6"),
    ],
)
def test_a_wrong_rules_file_is_refused_with_the_line_and_the_reason(run_script, tmp_path, content, message):
    (tmp_path / "rules.toml").write_text(content)

    line = only_line(run_script("spark_job.py", "--rules", "rules.toml"), 2)

    assert "rules.toml" in line
    assert message in line


def test_without_a_broker_it_is_one_line(run_script):
    done = run_script("spark_job.py", "--servers", f"127.0.0.1:{free_port()}")

    line = only_line(done, 1)
    assert "no Kafka broker answers at 127.0.0.1:" in line
    assert "start one with 'python stack.py up --services kafka', or name another with --servers" in line


def test_without_mongodb_it_is_one_line(run_script, broker, words_of_topics: tuple[str, ...]):
    uri = f"mongodb://127.0.0.1:{free_port()}"

    done = run_script("spark_job.py", "--servers", broker.servers, *words_of_topics, "--mongo-uri", uri)

    line = only_line(done, 1)
    assert "no MongoDB server answers at 127.0.0.1:" in line
    assert "start one with 'python stack.py up --services mongo', or name another with --mongo-uri" in line


@pytest.fixture
def words_of_topics(new_topic: Callable[[], str]) -> tuple[str, ...]:
    """Topics that are there already: the job has nothing to tell about them."""
    readings, alerts, letters = (new_topic() for _ in range(3))
    return ("--topic", readings, "--alerts-topic", alerts, "--dead-letter-topic", letters)


def test_nothing_is_left_behind_by_a_refusal(run_script, tmp_path: Path):
    run_script("spark_job.py", "--slide", "20s")

    assert [one.name for one in tmp_path.iterdir()] == ["scripts"]


def test_health_says_whether_a_job_is_at_work(run_script, target: Store):
    words = ("spark_job.py", "--health", "--mongo-uri", target.uri, "--database", target.database)
    assert "not heard of for 60 s: readings, windows, router; see" in only_line(run_script(*words), 1)
    now = datetime.now(UTC)

    def report(query: str, at: datetime) -> None:
        store_progress.write_progress(target, {"query": query, "query_id": query, "batch_id": 0, "at": at}, {})

    for query in ("router", "readings", "windows"):
        report(query, now)
    done = run_script(*words)
    assert (done.code, done.stdout, done.stderr) == (0, "", "")

    report("windows", now - timedelta(minutes=2))
    assert "not heard of for 60 s: windows; see" in only_line(run_script(*words), 1)
    # A job that does a part of the work answers for that part.
    assert run_script(*words, "--queries", "readings", "router").code == 0

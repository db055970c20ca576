"""verify.py as a person runs it: a real producer's ledger against a real mongod."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import landed
import pandas as pd
import pytest
from harness import Completed, LocalBroker, Script, free_port
from stored import START, opened

from pipeline.store import Store

RUN = "00000000002a"


@dataclass
class Scene:
    """A topic, a ledger and a database."""

    broker: LocalBroker
    topic: str
    target: Store
    start_script: Callable[..., Script]
    ledger: Path

    def produce(self, *words: Any) -> None:
        done = self.start_script(
            *("producer.py", "--servers", self.broker.servers, "--topic", self.topic, "--ledger", self.ledger),
            *("--run", RUN, "--seed", 1, "--unpaced", "--start", START.isoformat(), "--sensors", 30, *words),
        ).wait()
        assert done.code == 0, done.stderr

    def land(self) -> pd.DataFrame:
        return landed.read_contents(self.broker.servers, self.topic).land(self.target)

    def begin(self, *words: Any) -> Script:
        where = ("--mongo-uri", self.target.uri, "--database", self.target.database)
        return self.start_script("verify.py", "--ledger", self.ledger, *where, *words)

    def verify(self, *words: Any) -> Completed:
        return self.begin(*words).wait()


@pytest.fixture
def scene(broker, topic, target, start_script, tmp_path) -> Scene:
    return Scene(broker, topic, target, start_script, tmp_path / "run.jsonl")


def test_a_run_that_is_stored_whole_ends_with_0_and_one_with_gaps_with_1(scene):
    # given
    scene.produce("--count", 3000)
    windows = landed.land_windows(scene.target, scene.land())

    # when
    done = scene.verify()

    # then
    assert done.code == 0, done.stdout + done.stderr
    assert re.search(rf"^ *{RUN} .* 3,000 +3,000 +3,000 +3,000 +0 +0 +0 +0 of 0 *$", done.stdout, re.MULTILINE)
    assert f"windows: {len(windows)} compared, {len(windows)} equal" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "Everything that was acknowledged is stored, nothing counts twice, and windows and alerts agree"
    )
    assert f"1 run in {scene.ledger}: {RUN}" in done.stderr
    assert "no end in the ledger" not in done.stdout

    # and when a reading of each sensor is taken away
    with opened(scene.target.uri, scene.target.database) as database:
        database["sensor_metrics"].delete_many({"sequence": 3})
    done = scene.verify()

    # then
    assert done.code == 1
    rows = re.findall(rf"^ *{RUN} +(\d+) +1 +0 +3 *$", done.stdout, re.MULTILINE)
    assert rows == [str(number) for number in range(20)]
    assert re.search(r"^ *and 10 more *$", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1].startswith("Not all is well: 30 readings missing, ")

    # and the same as JSON, for the run asked for
    done = scene.verify("--json", "--run", "2a")
    assert done.code == 1
    found = json.loads(done.stdout)
    assert (found["agrees"], found["runs"][0]["missing"], found["windows"]["twice"]) == (False, 30, 30)


def test_a_run_without_an_end_is_told(scene):
    scene.produce("--count", 100)
    lines = scene.ledger.read_bytes().splitlines(keepends=True)
    assert b'"end"' in lines[-1]
    scene.ledger.write_bytes(b"".join(lines[:-1]))
    landed.land_windows(scene.target, scene.land())

    done = scene.verify()

    assert done.code == 0
    assert f"run {RUN}: it has no end in the ledger: its producer still runs, or was killed" in done.stdout

    # and what is not there may still come
    with opened(scene.target.uri, scene.target.database) as database:
        database["sensor_metrics"].delete_many({"sequence": 3})
    done = scene.verify()
    assert done.code == 1
    assert re.match("Not in agreement so far: .* compare again later or with --wait 60$", done.stdout.splitlines()[-1])


def test_it_waits_until_everything_is_there(scene):
    # given
    scene.produce("--count", 2000)
    script = scene.begin("--wait", 120)
    script.await_output("s more at most: 0 of 2,000 readings are stored")

    # when: first the readings, then windows that still grow, then the rest
    readings = scene.land()
    script.await_output("no window is stored")
    landed.land_windows(scene.target, readings.head(1500))
    script.await_output(" not up to date")
    landed.land_windows(scene.target, readings)

    # then
    done = script.wait()
    assert done.code == 0, done.stdout
    assert "Everything that was acknowledged is stored" in done.stdout


def test_when_the_time_is_up_it_tells_what_is_missing(scene):
    scene.produce("--count", 100)

    done = scene.verify("--wait", 0.5)

    assert done.code == 1
    assert "none of its readings is stored here: does the Spark job read its topic" in done.stdout
    assert "100 readings missing" in done.stdout


LEDGER = '{"line":"run","run":"00000000002a","version":1,"seed":1,"start":"x","topic":"t","sensors":1}\n'
TOO_MANY = LEDGER + '{"line":"entry","run":"00000000002a","sent":1,"acknowledged":1,"ranges":{"0":[[0,99]]}}\n'


@pytest.mark.parametrize(
    ("content", "words", "code", "message"),
    [
        (None, ("--ledger", "run.jsonl"), 2, "--ledger: there is no file 'run.jsonl'; check the path"),
        (None, (), 2, "--ledger FILE is missing: the file that producer.py --ledger FILE wrote"),
        ("", ("--ledger", "run.jsonl"), 1, "the ledger run.jsonl has no run yet"),
        (LEDGER[:30], ("--ledger", "run.jsonl"), 1, "the ledger run.jsonl has no run yet"),
        ("sensor,value\n", ("--ledger", "run.jsonl"), 1, "run.jsonl, line 1: is no line of a ledger"),
        (TOO_MANY, ("--ledger", "run.jsonl"), 1, "run.jsonl is damaged: of run 00000000002a it names more readings"),
        (LEDGER, ("--ledger", "run.jsonl", "--run", "7"), 2, "has no run 000000000007; it has 00000000002a"),
        (None, ("--wait", "soon"), 2, "--wait: 'soon' is not a number"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(run_script, tmp_path, content, words, code, message):
    if content is not None:
        (tmp_path / "run.jsonl").write_text(content)

    done = run_script("verify.py", *words)

    assert done.code == code
    [line] = done.stderr.splitlines()
    assert line.startswith("verify.py: ")
    assert message in line
    assert done.stdout == ""


def test_without_mongodb_it_is_one_line(run_script, tmp_path):
    (tmp_path / "run.jsonl").write_text(LEDGER)
    uri = f"mongodb://127.0.0.1:{free_port()}"

    done = run_script("verify.py", "--ledger", "run.jsonl", "--run", RUN, "--mongo-uri", uri, "--wait", 60)

    assert done.code == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("verify.py: no MongoDB server answers at 127.0.0.1:")
    assert "or name another with --mongo-uri" in line

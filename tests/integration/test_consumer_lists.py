"""consumer.py --alerts, --dead-letters and --replay against a real broker."""

import csv
import io
import json
import re
import secrets
import signal
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from messages import message
from topics import read_all, write_all

from pipeline.broker import Connection, dead_letter_topic, ensure_topics
from pipeline.events import Alert, DeadLetter, decode_reading, encode

NOW = datetime.now(UTC)


@pytest.fixture
def letters(broker):
    """A topic of dead letters."""
    name = f"letters-{secrets.token_hex(4)}"
    ensure_topics(Connection(broker.servers), [dead_letter_topic(name)], timeout=30)
    return name


def an_alert(number: int, **changes) -> Alert:
    event_id = str(uuid.UUID(int=number))
    fields = {
        "alert_id": f"co2-high-{event_id}",
        "alert_type": "co2-high",
        "priority": "critical",
        "sensor_id": f"sensor_{number}",
        "sensor_type": "co2",
        "location": "office-lab",
        "value": 1200.0,
        "threshold": 1000.0,
        "unit": "ppm",
        "message": f"alert number {number}",
        "timestamp": "2026-01-31T08:00:00Z",
        "detected_at": "2026-01-31T08:00:00.250Z",
    }
    return Alert(**{**fields, **changes})


def a_letter(offset: int, value: bytes | None, *, topic: str = "sensor-data", **changes) -> DeadLetter:
    fields = {
        "key": b"sensor_0042",
        "value": value,
        "original_topic": topic,
        "original_partition": 1,
        "original_offset": offset,
        "error": "bad_field: something is wrong",
        "retry_count": 0,
        "failed_at": NOW.isoformat(),
    }
    return DeadLetter(**{**fields, **changes})


def post(servers: str, topic: str, letters: list[DeadLetter]) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for letter in letters:
        producer.produce(topic, letter.value, letter.key, headers=letter.headers())
    assert producer.flush(60) == 0


def ended(script):
    script.signal(signal.SIGINT)
    done = script.wait()
    assert done.code == 0, done.stderr
    return done


# --- alerts ----------------------------------------------------------------------------------------------------------


def alerts_of(broker, topic, *words):
    return ("consumer.py", "--alerts", "--servers", broker.servers, "--alerts-topic", topic, *words)


def test_alerts_are_printed_as_they_come_from_now_on_and_repeats_once(broker, topic, start_script):
    write_all(broker.servers, topic, [encode(an_alert(0))])
    script = start_script(*alerts_of(broker, topic))
    script.await_output("reading ")

    write_all(broker.servers, topic, [encode(an_alert(number)) for number in (1, 2, 1, 1)], key=b"one")
    write_all(broker.servers, topic, [b"no alert", encode(an_alert(3))], key=b"one")
    script.await_output("alert number 3")

    done = ended(script)
    lines = done.stdout.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["alert number 1", "alert number 2", "alert number 3"]
    assert lines[0].startswith("2026-01-31T08:00:00Z  critical  co2-high: sensor_1 at office-lab, co2 1200 ppm")
    assert "refused in all: 1: not_json 1" in done.stderr


def test_alerts_from_the_beginning_as_json_and_csv(broker, topic, start_script):
    sent = [an_alert(1), an_alert(2, message="=cmd|'/c calc'!A1", location=None), an_alert(1)]
    write_all(broker.servers, topic, [encode(one) for one in sent], key=b"one")

    outputs = {}
    for form in ("json", "csv"):
        script = start_script(*alerts_of(broker, topic, "--from-beginning", "--format", form))
        script.await_output("sensor_2")
        outputs[form] = ended(script).stdout

    as_json = [json.loads(line) for line in outputs["json"].splitlines()]
    as_csv = list(csv.DictReader(io.StringIO(outputs["csv"])))
    assert (
        [one["alert_id"] for one in as_json]
        == [one["alert_id"] for one in as_csv]
        == [
            *(one.alert_id for one in sent[:2]),
        ]
    )
    assert as_json[1]["message"] == "=cmd|'/c calc'!A1"
    assert as_csv[1]["message"] == "'=cmd|'/c calc'!A1"
    assert as_csv[1]["location"] == ""


def test_an_alert_cannot_write_to_the_terminal(broker, topic, start_script):
    script = start_script(*alerts_of(broker, topic, "--from-beginning"))
    write_all(broker.servers, topic, [encode(an_alert(1, message="\x1b]0;owned\x07\x1b[2J\r\nnew line"))])
    script.await_output("owned")

    assert ended(script).stdout.endswith(": \\x1b]0;owned\\x07\\x1b[2J\\r\\nnew line\n")


def test_alerts_of_a_group_go_on_where_it_stopped(broker, topic, start_script):
    words = alerts_of(broker, topic, "--from-beginning", "--group", f"alerts-{topic}")
    write_all(broker.servers, topic, [encode(an_alert(1))])
    first = start_script(*words)
    first.await_output("alert number 1")
    ended(first)
    write_all(broker.servers, topic, [encode(an_alert(2))])

    second = start_script(*words)
    second.await_output("alert number 2")

    assert "alert number 1" not in ended(second).stdout


# --- dead letters ----------------------------------------------------------------------------------------------------


def letters_of(broker, letters, *words):
    return ("consumer.py", "--dead-letters", "--servers", broker.servers, "--dead-letter-topic", letters, *words)


def test_dead_letters_are_listed_from_the_beginning_once_each_and_then_awaited(broker, letters, start_script):
    post(
        broker.servers,
        letters,
        [
            a_letter(1, b'{"value": NaN}', error="not_json: NaN is no JSON"),
            a_letter(2, None, error="null_message: the message has no value", retry_count=2),
            a_letter(1, b'{"value": NaN}', error="not_json: NaN is no JSON"),
            a_letter(3, b"x" * 900_000, original_size=5_000_000),
            a_letter(4, b"\xff\x00\x1b[2J"),
        ],
    )
    script = start_script(*letters_of(broker, letters))
    script.await_output("@4")
    script.await_output(f"{letters} has no more so far; waiting for what comes (Ctrl-C ends it)")
    post(broker.servers, letters, [a_letter(5, b"later")])
    script.await_output("later")

    lines = ended(script).stdout.splitlines()
    assert [re.search(r"sensor-data\[1\]@(\d)", line).group(1) for line in lines] == ["1", "2", "3", "4", "5"]
    assert lines[0].startswith(f"{NOW.isoformat()}  sensor-data[1]@1  not_json: NaN is no JSON")
    assert lines[1].endswith("(retries 2, 0 bytes): null")
    assert "(retries 0, 5,000,000 bytes): xxxx" in lines[2]
    assert len(lines[2]) < 400
    assert lines[3].endswith("\\xff\\x00\\x1b[2J")


def test_the_list_ends_after_its_duration_and_has_other_formats(broker, letters, run_script):
    post(broker.servers, letters, [a_letter(1, b"=1+1"), a_letter(2, b"two")])

    as_json = run_script(*letters_of(broker, letters, "--format", "json", "--duration", 3))
    as_csv = run_script(*letters_of(broker, letters, "--format", "csv", "--duration", 3))

    assert as_json.code == as_csv.code == 0
    assert [json.loads(line)["value"] for line in as_json.stdout.splitlines()] == ["=1+1", "two"]
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [(row["original_offset"], row["value"]) for row in rows] == [("1", "'=1+1"), ("2", "two")]


# --- replay ----------------------------------------------------------------------------------------------------------


def replay(broker, letters, run_script, *words):
    return run_script(*letters_of(broker, letters, "--replay", "--format", "json", *words))


def fresh(**changes: str) -> bytes:
    """A reading of now with some fields' JSON text changed."""
    return message(**{"timestamp": f'"{NOW.isoformat()}"', **changes})


def test_replay_repairs_what_is_safe_sends_it_home_and_leaves_the_rest(broker, topic, letters, run_script):
    spaced = NOW.isoformat().replace("T", " ")
    post(
        broker.servers,
        letters,
        [
            a_letter(1, fresh(sensor_id='"as-it-is"'), topic=topic, key=b"its own key", retry_count=1),
            a_letter(2, fresh(value='"21.5"', sensor_id='"text-value"'), topic=topic, key=None),
            a_letter(3, b"\xef\xbb\xbf" + fresh(timestamp=f'"{spaced}"', sensor_id='"bom"') + b"\0", topic=topic),
            a_letter(4, fresh(value="null"), topic=topic),
            a_letter(5, b"not json", topic=topic),
            a_letter(6, None, topic=topic),
            a_letter(7, fresh()[:100], topic=topic, original_size=5_000_000),
            a_letter(8, fresh(), topic=topic, retry_count=3),
            a_letter(9, fresh(), topic=letters),
            a_letter(10, fresh(), topic="__consumer_offsets"),
            a_letter(11, fresh(), topic="no topic name"),
            a_letter(2, fresh(value='"21.5"', sensor_id='"text-value"'), topic=topic, key=None),
        ],
    )
    write_all(broker.servers, letters, [b"no dead letter"])

    done = replay(broker, letters, run_script)

    assert done.code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "letters": 13,
        "sent": 3,
        "unchanged": 1,
        "repaired": 2,
        "repairs": {"around the JSON text": 1, "timestamp": 1, "value": 1},
        "stayed": {
            "missing_field": 1,
            "no_dead_letter": 1,
            "not_json": 1,
            "null_message": 1,
            "retried_too_often": 1,
            "truncated": 1,
            "unsuitable_topic": 3,
        },
        "repeats": 1,
    }
    records = read_all(broker.servers, topic)
    by_sensor = {decode_reading(one.value(), kafka_timestamp_ms=one.timestamp()[1]).sensor_id: one for one in records}
    assert {name: (one.key(), one.headers()) for name, one in by_sensor.items()} == {
        "as-it-is": (b"its own key", [("retry_count", b"2")]),
        "text-value": (None, [("retry_count", b"1")]),
        "bom": (b"sensor_0042", [("retry_count", b"1")]),
    }
    assert len(records) == 3
    assert by_sensor["as-it-is"].value() == fresh(sensor_id='"as-it-is"')

    # Each letter is handled once, whatever became of it; new ones are handled by the next run.
    post(broker.servers, letters, [a_letter(12, fresh(sensor_id='"later"'), topic=topic)])
    again = json.loads(replay(broker, letters, run_script).stdout)
    assert (again["letters"], again["sent"]) == (1, 1)
    assert len(read_all(broker.servers, topic)) == 4


def test_a_reading_ahead_of_its_time_stays_until_the_limit_allows_it(broker, topic, letters, run_script):
    later = (NOW + timedelta(days=1)).isoformat()
    post(broker.servers, letters, [a_letter(1, fresh(timestamp=f'"{later}"'), topic=topic)])

    strict = replay(broker, letters, run_script, "--group", f"strict-{topic}")
    lenient = replay(broker, letters, run_script, "--group", f"lenient-{topic}", "--max-ahead", 86_400)

    assert json.loads(strict.stdout)["stayed"] == {"timestamp_ahead": 1}
    assert json.loads(lenient.stdout)["sent"] == 1


def test_letters_are_chosen_by_reason_and_text_and_shown_whole(broker, letters, run_script):
    long = b"x" * 5000 + b"the end"
    post(
        broker.servers,
        letters,
        [
            a_letter(1, long, error="not_json: it is no JSON"),
            a_letter(2, b"half", error="not_json: it is no JSON"),
            a_letter(3, None, error="null_message: the message has no value"),
            a_letter(4, b"half", error="bad_field: something is wrong"),
        ],
    )

    def listed(*words):
        done = run_script(*letters_of(broker, letters, "--format", "json", "--duration", 3, *words))
        return [(one["original_offset"], one["value"]) for one in map(json.loads, done.stdout.splitlines())]

    assert listed("--reason", "not_json", "null_message", "--whole") == [(1, long.decode()), (2, "half"), (3, None)]
    assert [offset for offset, _ in listed("--contains", "half", "--reason", "not_json")] == [2]


def test_replay_sends_what_a_command_makes_of_a_message(broker, topic, letters, run_script, tmp_path):
    script = tmp_path / "mend.py"
    script.write_text(
        "import sys\ntext = sys.stdin.read()\nif 'hopeless' in text: sys.exit(1)\n"
        "print(text.replace('null', '21.5'), end='')"
    )
    post(
        broker.servers,
        letters,
        [
            a_letter(1, fresh(value="null", sensor_id='"mended"'), topic=topic),
            a_letter(2, b"hopeless", topic=topic),
            a_letter(3, fresh(sensor_id='"as-it-is"'), topic=topic),
            a_letter(4, fresh(value="null"), topic=topic, error="not_json: it is no JSON"),
        ],
    )

    command = ("--repair-command", f"{sys.executable} {script}")
    done = json.loads(replay(broker, letters, run_script, "--reason", "bad_field", *command).stdout)

    assert (done["sent"], done["repairs"]) == (2, {"by hand": 1})
    assert done["stayed"] == {"command_failed": 1, "not_chosen": 1}
    sent = {one["sensor_id"]: one["value"] for one in (json.loads(r.value()) for r in read_all(broker.servers, topic))}
    assert sent["mended"] == 21.5
    assert set(sent) == {"mended", "as-it-is"}


def test_replay_sends_what_was_edited_in_a_file(broker, topic, letters, run_script, tmp_path):
    whole = fresh(sensor_id='"cut"', extra='"' + "y" * 500 + '"')
    post(
        broker.servers,
        letters,
        [
            a_letter(1, fresh(value="null", sensor_id='"edited"'), topic=topic),
            a_letter(2, whole[:300], topic=topic, original_size=len(whole)),
            a_letter(3, fresh(value="null"), topic=topic),
        ],
    )
    # A group that has seen them does not keep them from being sent.
    assert json.loads(replay(broker, letters, run_script).stdout)["sent"] == 0
    listing = run_script(*letters_of(broker, letters, "--whole", "--format", "json", "--duration", 3)).stdout
    first, second, _ = (json.loads(line) for line in listing.splitlines())
    first["value"] = first["value"].replace("null", "19.5")
    second["value"] = whole.decode()
    path = tmp_path / "edited.jsonl"
    path.write_text(json.dumps(first) + "\n\n" + json.dumps(second) + "\n", encoding="utf-8")

    done = json.loads(replay(broker, letters, run_script, "--edited", path).stdout)

    assert (done["sent"], done["repairs"], done["stayed"]) == (2, {"by hand": 2}, {"not_in_the_file": 1})
    assert {json.loads(one.value())["sensor_id"] for one in read_all(broker.servers, topic)} == {"edited", "cut"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reason", "not_json"), "--reason is about dead letters: give --dead-letters as well"),
        (("--dead-letters", "--reason", "typo"), "'typo' is not one of null_message, not_utf8, not_json"),
        (("--dead-letters", "--edited", "edited.jsonl"), "--edited belongs to a replay"),
        (("--dead-letters", "--replay", "--edited", "edited.jsonl"), "edited.jsonl, line 2 is no letter"),
        (("--dead-letters", "--replay", "--edited", "nowhere"), "there is no file 'nowhere'"),
        (("--dead-letters", "--replay", "--edited", "edited.jsonl", "--repair-command", "cat"), "give one of them"),
        (("--dead-letters", "--replay", "--repair-command", "'"), "cannot be split into words"),
    ],
)
def test_a_wrong_choice_or_file_is_one_line(run_script, tmp_path, words, said):
    good = {"original_topic": "t", "original_partition": 0, "original_offset": 1, "value": "{}"}
    (tmp_path / "edited.jsonl").write_text(json.dumps(good) + '\n{"value": 1}\n')

    done = run_script("consumer.py", "--servers", "127.0.0.1:1", *words)

    assert done.code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_replay_of_nothing_is_done_at_once(broker, letters, run_script):
    done = run_script(*letters_of(broker, letters, "--replay"))

    assert done.code == 0
    assert done.stdout == "0 dead letters: 0 sent back (0 as they were, 0 repaired), 0 stayed, 0 repeats\n"


def test_nothing_is_committed_when_the_original_topic_cannot_be_written(broker, topic, letters, run_script):
    gone = f"{topic}-gone"
    post(broker.servers, letters, [a_letter(1, fresh(), topic=gone), a_letter(2, fresh(), topic=topic)])

    failed = replay(broker, letters, run_script)

    assert failed.code == 1
    assert json.loads(failed.stdout)["sent"] == 1
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("consumer.py: ")]
    assert f"its topic {gone} does not exist" in line
    assert failed.stderr.splitlines()[-1] == line

    # Once it can be written the same letters are handled: the second comes again, under the same event id.
    ensure_topics(Connection(broker.servers), [dead_letter_topic(gone)], timeout=30)
    mended = replay(broker, letters, run_script)
    assert mended.code == 0
    assert json.loads(mended.stdout)["sent"] == 2
    assert len(read_all(broker.servers, gone)) == 1
    sent_back = [json.loads(one.value())["event_id"] for one in read_all(broker.servers, topic)]
    assert len(set(sent_back)) == 1


def test_a_letter_that_its_topic_refuses_stays_for_the_next_replay(broker, topic, letters, run_script):
    admin = AdminClient({"bootstrap.servers": broker.servers})
    (made,) = admin.create_topics([NewTopic(f"{topic}-small", 1, config={"max.message.bytes": "300"})]).values()
    made.result(30)
    post(broker.servers, letters, [a_letter(1, fresh(extra='"' + "y" * 5000 + '"'), topic=f"{topic}-small")])

    # What is not sent is not marked as done, so every replay meets it again.
    for _ in range(2):
        failed = replay(broker, letters, run_script)
        assert failed.code == 1
        assert "1 dead letters could not be sent back" in failed.stderr
        assert json.loads(failed.stdout)["letters"] == 0

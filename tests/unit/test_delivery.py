"""What the Kafka client gives up is sent again; what the broker refuses for good is counted."""

import json
import logging

import pytest
from clocks import HandClock
from confluent_kafka import KafkaError, KafkaException

from pipeline.console import UserError
from pipeline.delivery import KafkaDelivery
from pipeline.faults import Fault
from pipeline.ledger import LedgerWriter
from pipeline.messages import Message
from pipeline.tally import Tally


class Record:
    def __init__(self, sent):
        self.sent = sent

    def key(self):
        return self.sent["key"]

    def value(self):
        return self.sent["value"]

    def partition(self):
        return 0

    def offset(self):
        return 7

    def latency(self):
        return 0.01


class ScriptedClient:
    """A Kafka client that answers each message with the next of `answers` (None is an acknowledgement)."""

    def __init__(self, answers, buffer, error_cb):
        self.answers, self.room, self.error_cb = answers, buffer, error_cb
        self.waiting, self.payloads = [], []
        # What is refused once when it is to be taken, and why.
        self.refused = {}
        self.purged = False

    def produce_batch(self, _topic, records, on_delivery):
        taken = 0
        for record in records:
            error = self.refused.pop(record["value"], None)
            if len(self.waiting) >= self.room:
                error = KafkaError._QUEUE_FULL
            if error is not None:
                record["_error"] = KafkaError(error)
                continue
            taken += 1
            self.payloads.append(record["value"])
            self.waiting.append((record.get("callback", on_delivery), record))
        return taken

    def poll(self, _seconds):
        waiting, self.waiting = self.waiting, []
        for report, record in waiting:
            code = self.answers.pop(0) if self.answers else None
            report(KafkaError(code) if code is not None else None, Record(record))

    def purge(self):
        self.purged = True
        self.answers = [KafkaError._PURGE_QUEUE] * len(self.waiting)

    def __len__(self):
        return len(self.waiting)


class Clients(list):
    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)

    def make(self, buffer, error_cb):
        self.append(ScriptedClient(self.answers, buffer, error_cb))
        return self[-1]


def message(number):
    return Message(b"sensor_0", b"%d" % number, 0, number, 0, False, Fault.NONE)


@pytest.fixture
def started():
    def start(*answers, room=100, ledger=None):
        clients, tally, clock = Clients(*answers), Tally(), HandClock()
        return KafkaDelivery(clients.make, "sensor-data", tally, ledger, clock, room), clients, tally, clock

    return start


def serve(delivery, clock, times=4):
    for _ in range(times):
        clock.now += 1
        delivery.serve(0)


def raise_once(client, error):
    """Let the client's next poll raise a fatal error, as confluent-kafka does instead of calling back."""
    usual = client.poll

    def poll(_seconds):
        client.poll = usual
        raise KafkaException(error)

    client.poll = poll


def test_a_message_that_the_client_gave_up_is_sent_again_until_it_is_acknowledged(started):
    delivery, clients, tally, clock = started(KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION)
    assert delivery.send([message(1)]) == []
    serve(delivery, clock)
    assert clients[0].payloads == [b"1", b"1", b"1"]
    assert (tally.sent, tally.acknowledged, tally.failed, delivery.waiting) == (1, 1, 0, 0)


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_message_that_is_refused_for_good_is_counted_as_failed(started, code):
    delivery, clients, tally, clock = started(code)
    delivery.send([message(1)])
    serve(delivery, clock)
    assert len(clients[0].payloads) == 1
    assert (tally.acknowledged, tally.failed, delivery.waiting) == (0, 1, 0)


def test_a_client_beyond_repair_is_replaced_and_what_it_held_is_sent_again(started):
    delivery, clients, tally, clock = started()
    delivery.send([message(number) for number in range(3)])
    raise_once(clients[0], KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "out of order", fatal=True))
    serve(delivery, clock)
    assert clients[0].purged
    assert clients[1].payloads == [b"0", b"1", b"2"]
    assert (tally.sent, tally.acknowledged, tally.failed) == (3, 3, 0)


def test_a_producer_without_the_right_to_write_is_told_so(started):
    delivery, clients, _tally, clock = started()
    delivery.send([message(1)])
    raise_once(clients[0], KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "not allowed", fatal=True))
    with pytest.raises(UserError, match="the broker does not let us write to sensor-data: not allowed; check --sasl"):
        serve(delivery, clock)


def test_a_full_buffer_takes_nothing_and_counts_nothing(started):
    delivery, _clients, tally, clock = started(room=2)
    messages = [message(number) for number in range(3)]
    assert delivery.send(messages) == messages[2:]
    assert tally.sent == 2
    assert delivery.send(messages[2:]) == messages[2:]
    serve(delivery, clock)
    assert delivery.send(messages[2:]) == []
    assert (tally.sent, tally.acknowledged) == (3, 2)


def test_what_the_client_does_not_take_out_of_the_middle_is_handed_back_and_the_rest_counted(started):
    delivery, clients, tally, _clock = started()
    messages = [message(number) for number in range(4)]
    clients[0].refused = {b"1": KafkaError._QUEUE_FULL, b"2": KafkaError.INVALID_MSG}
    assert delivery.send(messages) == messages[1:3]
    assert clients[0].payloads == [b"0", b"3"]
    assert tally.sent == 2


def test_a_ledger_hears_of_each_message_by_itself(started, tmp_path):
    path = tmp_path / "run.jsonl"
    writer = LedgerWriter(path, "00000000002a")
    delivery, _clients, tally, clock = started(None, KafkaError.MSG_SIZE_TOO_LARGE, ledger=writer)
    delivery.send([message(number) for number in range(4)])
    serve(delivery, clock)
    writer.close()
    entry = json.loads(path.read_bytes().splitlines()[-1])
    assert (entry["sent"], entry["acknowledged"], entry["failed"]) == (4, 3, 1)
    assert entry["ranges"] == {"0": [[0, 0], [2, 3]]}
    assert entry["lost"] == [[0, 1]]
    assert (tally.acknowledged, tally.failed) == (3, 1)


def test_what_waits_to_be_sent_again_goes_before_what_is_new(started):
    delivery, _clients, _tally, clock = started(KafkaError.NOT_LEADER_FOR_PARTITION)
    delivery.send([message(1)])
    clock.now += 0.1
    delivery._resend_at = 10.0
    delivery.serve(0)
    assert delivery.send([message(2)]) == [message(2)]


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends(started, caplog):
    caplog.set_level(logging.INFO)
    delivery, clients, _tally, clock = started()
    for _ in range(5):
        clients[0].error_cb(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    for number in range(5):
        delivery.send([message(number)])
    serve(delivery, clock)
    assert [record.message for record in caplog.records] == [
        "the broker does not answer; readings wait and none is lost",
        "the broker answers again",
    ]

"""What the Kafka client gives up is sent again; what the broker refuses for good is counted."""

import logging

import pytest
from clocks import HandClock
from confluent_kafka import KafkaError, KafkaException

from pipeline.console import UserError
from pipeline.delivery import KafkaDelivery
from pipeline.faults import Fault
from pipeline.messages import Message
from pipeline.tally import Tally


class Record:
    def partition(self):
        return 0

    def offset(self):
        return 7

    def latency(self):
        return 0.01


class ScriptedClient:
    """A Kafka client that answers each message with the next of `answers` (None is an acknowledgement)."""

    def __init__(self, answers, room, error_cb):
        self.answers, self.room, self.error_cb = answers, room, error_cb
        self.waiting, self.payloads = [], []
        self.purged = False

    def produce(self, _topic, payload, _key, on_delivery):
        if len(self.waiting) >= self.room:
            raise BufferError
        self.payloads.append(payload)
        self.waiting.append(on_delivery)

    def poll(self, _seconds):
        waiting, self.waiting = self.waiting, []
        for report in waiting:
            code = self.answers.pop(0) if self.answers else None
            report(KafkaError(code) if code is not None else None, Record())

    def purge(self):
        self.purged = True
        self.answers = [KafkaError._PURGE_QUEUE] * len(self.waiting)

    def __len__(self):
        return len(self.waiting)


class Clients(list):
    def __init__(self, *answers, room=100):
        super().__init__()
        self.answers, self.room = list(answers), room

    def make(self, error_cb):
        self.append(ScriptedClient(self.answers, self.room, error_cb))
        return self[-1]


def message(number):
    return Message(b"sensor_0", b"%d" % number, 0, number, 0, False, Fault.NONE)


@pytest.fixture
def started():
    def start(*answers, room=100):
        clients, tally, clock = Clients(*answers, room=room), Tally(), HandClock()
        return KafkaDelivery(clients.make, "sensor-data", tally, None, clock), clients, tally, clock

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
    assert delivery.send(message(1))
    serve(delivery, clock)
    assert clients[0].payloads == [b"1", b"1", b"1"]
    assert (tally.sent, tally.acknowledged, tally.failed, delivery.waiting) == (1, 1, 0, 0)


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_message_that_is_refused_for_good_is_counted_as_failed(started, code):
    delivery, clients, tally, clock = started(code)
    delivery.send(message(1))
    serve(delivery, clock)
    assert len(clients[0].payloads) == 1
    assert (tally.acknowledged, tally.failed, delivery.waiting) == (0, 1, 0)


def test_a_client_beyond_repair_is_replaced_and_what_it_held_is_sent_again(started):
    delivery, clients, tally, clock = started()
    for number in range(3):
        delivery.send(message(number))
    raise_once(clients[0], KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "out of order", fatal=True))
    serve(delivery, clock)
    assert clients[0].purged
    assert clients[1].payloads == [b"0", b"1", b"2"]
    assert (tally.sent, tally.acknowledged, tally.failed) == (3, 3, 0)


def test_a_producer_without_the_right_to_write_is_told_so(started):
    delivery, clients, _tally, clock = started()
    delivery.send(message(1))
    raise_once(clients[0], KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "not allowed", fatal=True))
    with pytest.raises(UserError, match="the broker does not let us write to sensor-data: not allowed; check --sasl"):
        serve(delivery, clock)


def test_a_full_buffer_takes_nothing_and_counts_nothing(started):
    delivery, _clients, tally, clock = started(room=2)
    assert [delivery.send(message(number)) for number in range(3)] == [True, True, False]
    assert tally.sent == 2
    serve(delivery, clock)
    assert delivery.send(message(2))


def test_what_waits_to_be_sent_again_goes_before_what_is_new(started):
    delivery, _clients, _tally, clock = started(KafkaError.NOT_LEADER_FOR_PARTITION)
    delivery.send(message(1))
    clock.now += 0.1
    delivery._resend_at = 10.0
    delivery.serve(0)
    assert not delivery.send(message(2))


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends(started, caplog):
    caplog.set_level(logging.INFO)
    delivery, clients, _tally, clock = started()
    for _ in range(5):
        clients[0].error_cb(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    for number in range(5):
        delivery.send(message(number))
    serve(delivery, clock)
    assert [record.message for record in caplog.records] == [
        "the broker does not answer; readings wait and none is lost",
        "the broker answers again",
    ]

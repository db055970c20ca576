"""Who may do what at a broker that asks: Kafka's users (SCRAM, RFC 5802) and their rights (ACLs)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from pipeline.broker import CONNECT_SECONDS, Connection
from pipeline.console import UserError

log = logging.getLogger(__name__)

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
# RFC 5802 asks for at least 4096; brokers take no fewer.
ITERATIONS = 8192

Rights = dict[str, list[tuple[str, AclOperation]]]


def rights(readings: str, alerts: str, dead_letters: str) -> Rights:
    """What each user may do with the topics: who reads one may describe it as well, and so who writes.

    The job makes alerts and dead letters of readings; the mender sends dead letters back.
    """
    return {
        "producer": [(readings, WRITE)],
        "consumer": [(readings, READ), (alerts, READ), (dead_letters, READ)],
        "job": [(readings, READ), (alerts, WRITE), (dead_letters, WRITE)],
        "mender": [(readings, READ), (readings, WRITE), (dead_letters, READ)],
    }


# The beginning of the names of the consumer groups that a user may join: any for people, its own for the job.
GROUPS = {"consumer": "", "mender": "", "job": "spark-"}


def ensure(link: Connection, passwords: Mapping[str, str], allowed: Rights) -> None:
    """Give each user its password and exactly these rights, over the connection of an administrator.

    Rights that these users had beside them are taken away. Raises UserError when the broker refuses or does not answer.
    """
    admin = AdminClient(link.properties())
    wanted = {one for user, topics in allowed.items() for one in _bindings(user, topics)}
    try:
        upsertions = [_upsertion(user, password) for user, password in passwords.items()]
        _done(admin.alter_user_scram_credentials(upsertions, request_timeout=CONNECT_SECONDS))
        known = {one for user in allowed for one in _existing(admin, user)}
        if missing := wanted - known:
            _done(admin.create_acls(list(missing), request_timeout=CONNECT_SECONDS))
        if surplus := known - wanted:
            _done(admin.delete_acls([_exactly(one) for one in surplus], request_timeout=CONNECT_SECONDS))
    except KafkaException as error:
        raise UserError(
            f"users and rights cannot be set at {link.servers}: {error.args[0].str()}; see that the broker asks for "
            "users, and that this is its administrator"
        ) from None
    log.info("users: %s; rights added: %d, taken away: %d", ", ".join(passwords), len(missing), len(surplus))


def _upsertion(user: str, password: str) -> UserScramCredentialAlteration:
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    return UserScramCredentialUpsertion(user, how, password.encode())


def _bindings(user: str, topics: list[tuple[str, AclOperation]]) -> list[AclBinding]:
    found = {
        _binding(user, ResourceType.TOPIC, name, ResourcePatternType.LITERAL, operation)
        for name, given in topics
        for operation in (given, DESCRIBE)
    }
    if user in GROUPS:
        prefix = GROUPS[user]
        kind = ResourcePatternType.PREFIXED if prefix else ResourcePatternType.LITERAL
        found.add(_binding(user, ResourceType.GROUP, prefix or "*", kind, READ))
    return list(found)


def _binding(
    user: str, kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _existing(admin: AdminClient, user: str) -> list[AclBinding]:
    # None stands for any, which the client's types do not know.
    anything: Any = None
    every = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        f"User:{user}",
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found: Any = admin.describe_acls(every, request_timeout=CONNECT_SECONDS).result()
    return list(found)


def _exactly(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype,
        one.name,
        one.resource_pattern_type,
        one.principal,
        one.host,
        one.operation,
        one.permission_type,
    )


def _done(futures: Mapping[Any, Future[Any]]) -> None:
    for future in futures.values():
        future.result()

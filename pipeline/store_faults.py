"""What can go wrong with MongoDB, in three classes: bad data, a passing fault, an outage.

Bad data is handed back to the caller (store_bulk.py). A passing fault is tried again after a pause (`Patience`). An
outage raises `StoreUnavailable`: nothing is lost by waiting. Anything else is a `StoreError`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Never, TypeVar

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.wait import wait_base

from pipeline.console import UserError, safe_text

T = TypeVar("T")

AUTHENTICATION_FAILED, UNAUTHORIZED = 18, 13
# What the retryable writes of MongoDB's drivers try again, and conflicts, locks, time limits and a full disk.
# https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
PASSING_CODES = frozenset(
    (6, 7, 24, 46, 50, 64, 89, 91, 112, 134, 189, 202, 237, 262, 9001, 10107, 11600, 11601, 11602, 13435, 13436, 14031)
)


class StoreError(UserError):
    """MongoDB refuses what was asked of it, for a reason that neither waiting nor other data would change."""


class StoreUnavailable(StoreError):
    """No MongoDB server answers, or it cannot do its work: an outage, to be waited for."""


def reason(error: Exception) -> str:
    """The first part of an error's text, in one line: PyMongo adds the state of all it knows of."""
    text = str(error).split(", Timeout: ")[0].split(", full error: ")[0].split(" (configured timeouts: ")[0]
    return safe_text(text)


def is_passing(error: PyMongoError) -> bool:
    """Whether the same request may go well in a moment."""
    if isinstance(error, OperationFailure):
        return error.code in PASSING_CODES or error.has_error_label("RetryableWriteError")
    return isinstance(error, ConnectionFailure) and not isinstance(error, ServerSelectionTimeoutError)


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, PyMongoError) and is_passing(error)


def _give_up(state: RetryCallState) -> Never:
    assert state.outcome
    error = state.outcome.exception()
    assert isinstance(error, PyMongoError)
    raise StoreUnavailable(
        f"MongoDB cannot do its work, after {state.attempt_number} attempts: {reason(error)}"
    ) from error


@dataclass(frozen=True)
class Patience:
    """How often a passing fault is tried again, and the pauses between: exponential, with full jitter and a cap."""

    attempts: int = 6
    pauses: wait_base = field(default_factory=partial(wait_random_exponential, 0.1, 2.0))
    sleep: Callable[[float], None] = time.sleep

    def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, tried again after passing faults.

        Raises StoreUnavailable in an outage, and the errors of PyMongo that are neither.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self.pauses,
            sleep=self.sleep,
            retry=retry_if_exception(_is_passing),
            retry_error_callback=_give_up,
        )
        return retrying(work)


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn PyMongo's errors into ours; `address` is the server's, without a password."""
    try:
        yield
    except ServerSelectionTimeoutError as error:
        raise StoreUnavailable(
            f"no MongoDB server answers at {address} ({reason(error)}); "
            "start one with 'python stack.py up --services mongo', or name another with --mongo-uri"
        ) from error
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            raise StoreError(
                f"MongoDB at {address} refuses the credentials; check user, password and authSource in --mongo-uri"
            ) from error
        if error.code == UNAUTHORIZED:
            raise StoreError(
                f"MongoDB at {address} does not let this user do that ({reason(error)}); "
                "give the user's name and password in --mongo-uri, or grant it the roles that init-mongo.js does"
            ) from error
        kind = StoreUnavailable if is_passing(error) else StoreError
        raise kind(f"MongoDB at {address} failed: {reason(error)} (code {error.code})") from error
    except PyMongoError as error:
        kind = StoreUnavailable if is_passing(error) else StoreError
        raise kind(f"MongoDB at {address} failed: {reason(error)}") from error

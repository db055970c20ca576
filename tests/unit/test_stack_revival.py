from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from clocks import HandClock
from rich.console import Console

from pipeline.display import Display
from pipeline.services import Service, ServiceDied
from pipeline.stack_revival import FIRST_PAUSE, HEALTHY_SECONDS, LIVES, Revival


@dataclass
class Running:
    """A service without a process."""

    service: Service
    began: float
    code: int | None = None
    stopped: bool = False

    def exit_code(self) -> int | None:
        return self.code

    def death(self, when: str) -> ServiceDied:
        return ServiceDied(f"{self.service.name} ended with {self.code} {when}", [])

    def silence(self) -> ServiceDied:
        return ServiceDied(f"{self.service.name} does not answer", [])

    def stop(self) -> None:
        self.stopped = True


@dataclass
class Session:
    """One service; `starts` is when it was started again."""

    clock: HandClock
    healthy: bool = True
    starts: list[float] = field(default_factory=list)
    running: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.running = [self._made()]

    def _made(self) -> Running:
        service = Service("part", ("part",), lambda: self.healthy, Path("part.log"), patience=20)
        return Running(service, self.clock.now)

    def start_again(self, name: str) -> None:
        assert name == "part"
        self.starts.append(self.clock.now)
        self.running = [self._made()]


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1000.0)


@pytest.fixture
def session(clock: HandClock) -> Session:
    return Session(clock)


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def revival(session: Session, clock: HandClock, said: io.StringIO) -> Revival:
    found: Any = session
    return Revival(found, Display(Console(file=said, width=200)), clock)


def look_for(revival: Revival, clock: HandClock, seconds: float) -> None:
    for _ in range(round(seconds / 0.5)):
        revival.look()
        clock.sleep(0.5)


def test_what_dies_is_started_again_after_pauses_that_grow_and_given_up_in_the_end(revival, session, clock):
    pauses = []
    for _ in range(LIVES):
        session.running[0].code = -9
        died = clock.now
        look_for(revival, clock, 17)
        pauses.append(session.starts[-1] - died)
    assert pauses == [1, 2, 4, 8, 16]

    session.running[0].code = -9
    with pytest.raises(ServiceDied, match="part ended with -9 while it ran"):
        revival.look()


def test_one_that_was_healthy_for_long_begins_anew(revival, session, clock, said):
    for _ in range(3 * LIVES):
        session.running[0].code = 1
        look_for(revival, clock, FIRST_PAUSE + 1)
        assert "it starts again in 1 s" in said.getvalue().splitlines()[-2]
        assert said.getvalue().splitlines()[-1].startswith("part runs again, ")
        look_for(revival, clock, HEALTHY_SECONDS + 1)


def test_one_that_comes_back_and_does_not_answer_has_died(revival, session, clock, said):
    session.running[0].code = -9
    session.healthy = False
    look_for(revival, clock, FIRST_PAUSE + 1)
    silent = session.running[0]

    look_for(revival, clock, silent.service.patience + 1)

    assert silent.stopped
    assert said.getvalue().splitlines()[-1] == "part does not answer; it starts again in 2 s"


def test_wrong_options_are_no_reason_to_try_again(revival, session):
    session.running[0].code = 2
    with pytest.raises(ServiceDied):
        revival.look()


def test_the_one_that_may_end_is_let_go_unless_it_ends_badly(revival, session, clock):
    session.running[0].code = 0
    revival.look(finishing="part")
    clock.sleep(60)
    revival.look(finishing="part")
    assert session.starts == []

    session.running[0].code = 1
    revival.look(finishing="part")
    clock.sleep(FIRST_PAUSE)
    revival.look(finishing="part")
    assert session.starts == [clock.now]

"""What a person sees while services start and stop: one line a step, with the time it took.

On a terminal the step at work has a spinner and says what it is doing; elsewhere there are plain lines alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

NAME_WIDTH = 9
TEXT_WIDTH = 46
BAR_WIDTH = 20


class Step:
    """A step at work; `result` is what its line says in the end."""

    def __init__(self, name: str, display: Display) -> None:
        self.name = name
        self.result = ""
        self._display = display
        self._begun = display.clock()
        self._doing = ""
        self._share: tuple[int, int] | None = None
        self._live: Live | None = None
        self._spinner = Spinner("dots", style="cyan")

    @property
    def seconds(self) -> float:
        """How long the step has been at work."""
        return self._display.clock() - self._begun

    def doing(self, text: str, share: tuple[int, int] | None = None) -> None:
        """What the step does at this moment, and how many of how many; seen on a terminal alone."""
        self._doing, self._share = text, share

    def note(self, text: str, share: tuple[int, int] | None = None) -> None:
        """What takes long; a line of its own where no terminal shows it as `doing`."""
        self.doing(text, share)
        if not self._display.console.is_terminal:
            self._display.line(f"  … {self.name:<{NAME_WIDTH}} {text}")

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Leaves the terminal to another program for a while."""
        if self._live:
            self._live.stop()
        yield
        if self._live:
            self._live.start()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the step at work on the terminal."""
        console = self._display.console
        with Live(self, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as self._live:
            yield

    def __rich__(self) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        name = Text(self.name.ljust(NAME_WIDTH))
        doing = Text(self._doing, style="dim", no_wrap=True, overflow="ellipsis")
        elapsed = Text(f"{self.seconds:.1f} s", style="dim")
        cells: list[RenderableType] = [Text(" "), self._spinner, name, doing, elapsed]
        if self._share:
            done, total = self._share
            cells.insert(3, ProgressBar(total=total, completed=done, width=BAR_WIDTH))
        grid.add_row(*cells)
        return grid


class Display:
    """Lines on a console (stderr unless given), coloured on a terminal alone."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.clock = clock
        unicode = self.console.encoding.lower().startswith("utf")
        self._done, self._failed = ("✓", "✗") if unicode else ("+", "x")

    def line(self, text: str = "", style: str = "") -> None:
        """One line, as it is."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def block(self, title: str, lines: Iterable[str]) -> None:
        """A few lines of a log under their title."""
        self.line(title, "bold")
        for text in lines:
            self.line(f"    {text}", "dim")

    @contextmanager
    def step(self, name: str, doing: str = "", *, live: bool = True) -> Iterator[Step]:
        """A step; its line appears when it ends, with a cross when an error ends it.

        `live=False` leaves the spinner out, for steps during which others write to the terminal.
        """
        step = Step(name, self)
        step.doing(doing)
        try:
            if live and self.console.is_terminal:
                with step.shown():
                    yield step
            else:
                yield step
        except BaseException:
            self._end(step, self._failed, "red")
            raise
        self._end(step, self._done, "green")

    def _end(self, step: Step, mark: str, style: str) -> None:
        words = Text.assemble("  ", (mark, style), " ", (step.name.ljust(NAME_WIDTH), "bold"), " ")
        words.append(step.result.ljust(TEXT_WIDTH))
        words.append(f" {step.seconds:5.1f} s", "dim")
        self.console.print(words, soft_wrap=True)


def plain_duration(seconds: float) -> str:
    """A duration in the units that people use for it: '9 s', '2 min 5 s', '3 h 1 min'."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"

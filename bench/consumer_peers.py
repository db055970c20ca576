"""How fast consumer.py counts, and what memory it needs, against the loop that most people write.

Both read the same topic from its beginning and tell running means: the loop every two seconds, consumer.py five times
a second, so that its end is seen soon. The loop keeps all that has come in a DataFrame, consumer.py its means alone.
Seconds count from the first message that is counted.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import measuring
from backlog import TOPIC, Processors, fill
from harness import local_broker
from measuring import (
    PEERS,
    Round,
    by_json,
    consuming,
    contest_parser,
    in_turns,
    keep,
    peak_memory,
    peer_environment,
    results,
    run_command,
)

BASELINE = "kafka-python and a DataFrame of everything"
LOOP_SECONDS, OUR_SECONDS = 2.0, 0.2


class Contest:
    """The contestants against one broker; `memory` is the most that each has needed, bytes by name."""

    def __init__(self, servers: str, count: int) -> None:
        self._servers, self._count = servers, count
        self.memory: dict[str, int] = {}

    def loop(self, _round: int) -> Round:
        """The loop with kafka-python."""
        script = str(PEERS / "loop_dataframe.py")
        command = [str(peer_environment("consumer")), script, self._servers, TOPIC, str(self._count), str(LOOP_SECONDS)]

        def parse(text: str) -> tuple[int, float]:
            *_, last = (line for line in text.splitlines() if line.startswith('{"'))
            self._note(BASELINE, json.loads(last)["bytes"])
            return by_json(last)

        return run_command(command, parse)

    def ours(self, _round: int) -> Round:
        """consumer.py, ended when it has counted all."""
        counted, began = 0, 0.0
        with consuming(self._servers, TOPIC, self._count, OUR_SECONDS) as child:
            processors, first = Processors([child]), 0
            for line in child.stdout:
                counted = json.loads(line)["records"]
                if counted and not began:
                    began, first = time.monotonic(), counted
                if counted >= self._count:
                    break
            ended, used = time.monotonic(), processors.seconds()
            if child.poll() is None:
                self._note("consumer.py", peak_memory(child.pid))
        if counted != self._count:
            raise RuntimeError(f"consumer.py counted {counted:,} of {self._count:,} readings")
        if counted == first:
            raise RuntimeError("consumer.py counted all at once: give more with --messages")
        # Its start is in the processor time of the loop as well; a message's part of it is the same for both.
        return Round(counted - first, ended - began, used * (counted - first) / counted)

    def _note(self, name: str, memory: int) -> None:
        self.memory[name] = max(memory, self.memory.get(name, 0))


def main() -> int:
    """Run the contest and print its figures."""
    options = contest_parser(__doc__, 500_000, 3).parse_args()
    with tempfile.TemporaryDirectory() as folder, local_broker(Path(folder)) as broker:
        fill(broker.servers, options.messages)
        contest = Contest(broker.servers, options.messages)
        measured = in_turns({BASELINE: contest.loop, "consumer.py": contest.ours}, options.rounds)
    needed = ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in contest.memory.items())
    about = (
        f"Counting a topic of {options.messages:,} readings from its beginning, {options.rounds} rounds in turns, "
        f"broker and consumer on the same machine. The most memory that each needed: {needed}."
    )
    keep("consumer", results(measured, BASELINE), BASELINE, about)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

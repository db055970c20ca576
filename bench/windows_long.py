"""How fast windows are counted over a long backlog, against Pathway: what Java takes to start and compile counts less.

As windows_peers.py, with ten times the readings and without Quix Streams, which would take five minutes a round.
"""

from __future__ import annotations

import sys

import measuring
from measuring import contest_parser
from windows_peers import OURS, PATHWAY, PATHWAY_TWICE, contest


def main() -> int:
    """Run the contest and print its figures."""
    options = contest_parser(__doc__, 10_000_000, 3).parse_args()
    contest("windows_long", options, PATHWAY, PATHWAY_TWICE, OURS, baseline=PATHWAY)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

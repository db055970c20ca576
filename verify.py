"""Compare what producers had acknowledged with what MongoDB holds: lost, counted twice, late."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console

from pipeline import ledger, options, oracle, rules, store, verify_formats
from pipeline.clock import SystemClock
from pipeline.console import ExitCode, UsageError, UserError, counted, signals_interrupt, start
from pipeline.oracle import Runs
from pipeline.settings import SettingsParser

log = logging.getLogger("verify")


def build_parser() -> SettingsParser:
    """The options of this script."""
    parser = SettingsParser(
        prog="verify.py",
        description="Compare what producers had acknowledged, by their ledger, with what MongoDB holds. "
        "Exits with 0 only if nothing is missing or counted twice and windows and alerts agree.",
        examples=[
            "python verify.py --ledger run.jsonl",
            "python verify.py --ledger run.jsonl --wait 60",
            "python verify.py --ledger .stack/ledger.jsonl --run 5eed00c0ffee --json",
        ],
    )
    parser.section("what", options.VERIFIED_LEDGER, options.VERIFIED_RUN, options.WAIT, options.RULES)
    parser.section("connection", options.MONGO_URI, options.DATABASE)
    parser.section("output", options.JSON)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Compare, print what was found; 0 only if all agrees."""
    if settings.ledger is None:
        raise UsageError(
            f"{options.VERIFIED_LEDGER.flag} FILE is missing: the file that producer.py --ledger FILE wrote"
        )
    runs = _read(settings.ledger)
    chosen = _choose(settings, runs)
    judged_by = rules.load(settings.rules)
    with signals_interrupt():
        target = store.connect(settings.mongo_uri, settings.database)
        verdict = oracle.await_agreement(
            target, lambda: _read(settings.ledger), chosen, judged_by, settings.wait, SystemClock()
        )
    if settings.json:
        print(verify_formats.json_line(verdict))
    else:
        verify_formats.show(verdict, Console(highlight=False))
    return ExitCode.DONE if verdict.agrees else ExitCode.FAILED


def _read(path: Path) -> Runs:
    runs = ledger.read(path)
    if not runs:
        raise UserError(f"the ledger {path} has no run yet: name the file that producer.py --ledger FILE wrote")
    return runs


def _choose(settings: argparse.Namespace, runs: Runs) -> list[str]:
    if settings.run is None:
        log.info("%s in %s: %s", counted(len(runs), "run"), settings.ledger, ", ".join(runs))
        return list(runs)
    if settings.run not in runs:
        raise UsageError(f"--run: the ledger {settings.ledger} has no run {settings.run}; it has {', '.join(runs)}")
    return [settings.run]


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

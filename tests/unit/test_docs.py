"""The documents say what the code does."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from docs import generate

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_readmes_option_tables_are_those_of_the_parsers():
    assert generate.with_option_tables(README) == README, "run `make docs`"


def test_the_tables_of_metrics_are_those_of_the_code():
    text = generate.METRICS_PAGE.read_text(encoding="utf-8")
    assert generate.with_metrics_tables(text) == text, "run `make docs`"
    # The queries that the page suggests ask for what there is.
    names = {one.name for metrics in generate.METRICS.values() for one in metrics}
    for found in re.findall(r"\bpipeline_(?:producer|consumer|spark|page)_\w+", text):
        assert re.sub("_(bucket|count|sum)$", "", found) in names, found


@pytest.mark.parametrize("name", generate.PARSERS)
def test_every_command_line_in_help_and_readme_is_understood(name, tmp_path, monkeypatch):
    # What one command writes is there for the next.
    monkeypatch.chdir(tmp_path)
    Path(".stack").mkdir()
    for written in ("run.jsonl", ".stack/ledger.jsonl", "letters.jsonl"):
        Path(written).touch()
    parser = generate.PARSERS[name]()
    lines = [line.strip() for line in (README + (parser.epilog or "")).splitlines()]
    commands = [line for line in lines if re.match(rf"python {re.escape(name)} ", line)]
    assert commands
    for line in commands:
        words = list(takewhile(lambda word: word not in {"|", ">"}, shlex.split(line, comments=True)))[2:]
        words = [str(ROOT / word) if (ROOT / word).is_file() else word for word in words]
        if "--help" not in words:
            parser.parse_args(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_file_that_the_documents_name_exists():
    for path in DOCUMENTS:
        for name in re.findall(r"`((?:tests|bench|pipeline|examples)/[\w/.-]+)`", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.name} names {name}"


def test_every_make_target_that_the_documents_name_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        for name in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8")):
            assert name in targets, f"{path.name} names make {name}"

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline import stack_state
from pipeline.console import UsageError, UserError
from pipeline.processes import Identity
from pipeline.stack_state import Record, State


def test_what_is_saved_is_loaded_again(tmp_path):
    record = Record("kafka", Identity(42, 1_700_000_000.25), datetime.now(UTC), "127.0.0.1:9092", 30.0)
    state = State(mark="m", owner=Identity(41, 1_700_000_000.0), services=[record])

    stack_state.save(tmp_path, state)

    assert stack_state.load(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["services.json"]


def test_where_nothing_was_started_the_state_is_empty(tmp_path):
    assert stack_state.load(tmp_path) == State()
    assert stack_state.load(tmp_path / "missing") == State()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"services": 3}', b"\xff", b'{"services": [{"name": "x"}]}'])
def test_a_damaged_file_is_one_line_that_says_what_to_do(tmp_path, content):
    (tmp_path / "services.json").write_bytes(content)

    with pytest.raises(UserError, match=r"services\.json is damaged .* by hand, then remove the file"):
        stack_state.load(tmp_path)


def test_a_folder_is_claimed_when_it_is_new_empty_or_ours(tmp_path):
    stack_state.claim(tmp_path / "new" / "folder")
    stack_state.claim(tmp_path / "new" / "folder")
    (tmp_path / "empty").mkdir()
    stack_state.claim(tmp_path / "empty")

    assert (tmp_path / "new" / "folder" / "services.json").exists()


def test_a_folder_with_other_things_is_refused_for_reset_would_remove_them(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(UsageError, match="holds other things; name an empty folder"):
        stack_state.claim(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be used: Not a directory"):
        stack_state.claim(tmp_path / "file" / "folder")


def test_the_size_of_a_folder_is_the_sum_of_its_files(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"x" * 500)

    assert stack_state.size(tmp_path) == 1500

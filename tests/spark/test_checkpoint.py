"""What a checkpoint was made with is noted in it, and another start is held to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.console import ExitCode, UsageError, UserError
from pipeline.spark_checkpoint import Checkpoint
from pipeline.spark_progress import shared_id

MADE_WITH = {
    "cluster": "5L6g3nShT-eMCtK--X86sw",
    "topic": "sensor-data",
    "database": "iot_analytics",
    "window": 10.0,
    "slide": 10.0,
    "watermark": 120.0,
}


@pytest.fixture
def checkpoint(spark, tmp_path) -> Checkpoint:
    return Checkpoint(spark, str(tmp_path / "deep" / "checkpoint"))


def test_a_new_checkpoint_notes_what_it_is_made_with_and_takes_the_same_again(checkpoint, tmp_path):
    checkpoint.claim(MADE_WITH)
    checkpoint.claim(MADE_WITH)

    noted = json.loads((tmp_path / "deep" / "checkpoint" / "job.json").read_text())
    assert noted == {"version": 1, **MADE_WITH}
    assert checkpoint.of_query("windows") == f"{checkpoint.folder}/windows"


@pytest.mark.parametrize(
    ("change", "said", "names_database"),
    [
        ({"window": 60.0}, "--window 10 s, and now it is --window 60 s", True),
        ({"slide": 2.5}, "--slide 10 s, and now it is --slide 2.5 s", True),
        ({"watermark": 90.0}, "--watermark 120 s, and now it is --watermark 90 s", False),
        ({"topic": "other"}, "--topic sensor-data, and now it is --topic other", False),
        ({"database": "other"}, "--database iot_analytics, and now it is --database other", False),
        ({"cluster": "x"}, "the Kafka cluster 5L6g3nShT-eMCtK--X86sw, and now it is the Kafka cluster x", False),
    ],
)
def test_another_setting_is_refused_with_both_values_and_what_to_do(checkpoint, change, said, names_database):
    checkpoint.claim(MADE_WITH)

    with pytest.raises(UsageError) as refused:
        checkpoint.claim({**MADE_WITH, **change})

    sentence = str(refused.value)
    assert refused.value.exit_code == ExitCode.USAGE
    assert sentence.startswith(f"the checkpoint {checkpoint.folder} was made with {said}: go back to it, or name")
    assert ("another --database" in sentence) == names_database
    assert "\n" not in sentence
    checkpoint.claim(MADE_WITH)


def test_a_damaged_note_is_named(checkpoint, tmp_path):
    checkpoint.claim(MADE_WITH)
    note = tmp_path / "deep" / "checkpoint" / "job.json"
    # Hadoop's checksum of what stood there before would be noticed first.
    (note.parent / ".job.json.crc").unlink(missing_ok=True)
    note.write_text('{"version": 1, "topic"')

    with pytest.raises(UserError, match=r"job\.json is damaged; name another --checkpoint"):
        checkpoint.claim(MADE_WITH)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("{}/file/checkpoint", "Parent path is not a directory: {}/file"),
        ("nosuch://host/checkpoint", 'No FileSystem for scheme "nosuch"'),
        ("hdfs:checkpoint", "Relative path in absolute URI: hdfs:checkpoint"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_in_one_line(spark, tmp_path, folder, reason):
    (tmp_path / "file").touch()
    folder = folder.format(tmp_path)

    with pytest.raises(UserError) as refused:
        Checkpoint(spark, folder).claim(MADE_WITH)

    sentence = str(refused.value)
    assert sentence.startswith(f"--checkpoint {folder} cannot be used: ")
    assert reason.format(tmp_path) in sentence
    assert "\n" not in sentence
    assert refused.value.exit_code == ExitCode.FAILED


NAMES = ("readings", "windows", "router")
OTHERS = ("readings", "router")
LEADER_ID = "24b10823-466a-415e-a7ff-06b38acf3e98"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the checkpoint lies."""
    return tmp_path / "deep" / "checkpoint"


def write_batch(query: Path, batch: int, offset: int, *, ended: bool) -> None:
    """A batch of a query as Spark notes it."""
    about = {"batchWatermarkMs": 0, "batchTimestampMs": 0, "conf": {}}
    parts = {
        "metadata": json.dumps({"id": LEADER_ID}),
        "sources/0/0": 'v1\n{"sensor-data":{"0":0}}',
        f"offsets/{batch}": f'v1\n{json.dumps(about)}\n{{"sensor-data":{{"0":{offset}}}}}',
        **({f"commits/{batch}": 'v1\n{"nextBatchWatermarkMs":0}'} if ended else {}),
    }
    for name, text in parts.items():
        (query / name).parent.mkdir(parents=True, exist_ok=True)
        (query / name).write_text(text)


def files_of(query: Path) -> dict[str, str]:
    """A query's files without Hadoop's checksums."""
    found = {str(one.relative_to(query)): one for one in query.rglob("*") if one.is_file()}
    return {name: one.read_text() for name, one in found.items() if not one.name.endswith(".crc")}


def together(checkpoint, *, wanted: bool) -> bool:
    return checkpoint.is_together("windows", "readings", wanted=wanted)


def test_queries_that_began_together_stay_so_whatever_is_wanted_later(checkpoint, folder):
    assert together(checkpoint, wanted=True)
    write_batch(folder / "windows", 0, 10, ended=False)

    assert together(checkpoint, wanted=True)
    assert together(checkpoint, wanted=False)


@pytest.mark.parametrize("name", ["readings", "windows"])
def test_queries_of_which_one_began_by_itself_are_never_together(checkpoint, folder, name):
    assert not together(checkpoint, wanted=False)
    write_batch(folder / name, 0, 10, ended=False)

    assert not together(checkpoint, wanted=True)
    assert not together(checkpoint, wanted=False)


def test_until_they_have_begun_what_is_wanted_last_decides_whether_queries_are_together(checkpoint, folder):
    assert together(checkpoint, wanted=True)
    write_batch(folder / "router", 0, 10, ended=True)

    assert not together(checkpoint, wanted=False)
    write_batch(folder / "windows", 0, 10, ended=False)
    assert not together(checkpoint, wanted=True)


def test_new_queries_are_worked_in_one_pass_until_one_of_them_goes_alone(checkpoint, folder):
    assert checkpoint.takes_one_pass("windows", OTHERS)
    write_batch(folder / "windows", 0, 10, ended=True)
    assert checkpoint.takes_one_pass("windows", OTHERS)

    checkpoint.part("windows", OTHERS)

    assert not checkpoint.takes_one_pass("windows", OTHERS)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_that_has_begun_by_itself_is_never_worked_in_one_pass(checkpoint, folder, name):
    (folder / name).mkdir(parents=True)

    assert not checkpoint.takes_one_pass("windows", OTHERS)
    checkpoint.part("windows", OTHERS)
    assert [one.name for one in folder.iterdir()] == [name]


def test_queries_that_part_go_on_behind_the_last_batch_that_was_ended(checkpoint, folder):
    checkpoint.takes_one_pass("windows", OTHERS)
    for batch in range(4):
        write_batch(folder / "windows", batch, 10 * batch, ended=batch < 3)
    # What an earlier start was killed in the middle of.
    write_batch(folder / "router", 7, 7, ended=True)
    (folder / "router" / "metadata").unlink()

    checkpoint.part("windows", OTHERS)

    leader = files_of(folder / "windows")
    for name in OTHERS:
        own = files_of(folder / name)
        assert own.keys() == {"metadata", "sources/0/0", "offsets/1", "commits/1", "offsets/2", "commits/2"}
        assert json.loads(own.pop("metadata")) == {"id": shared_id(LEADER_ID, name)}
        assert own == {part: leader[part] for part in own}
    # What is removed later stays removed.
    shutil.rmtree(folder / "readings")
    checkpoint.part("windows", OTHERS)
    assert not (folder / "readings").exists()


@pytest.mark.parametrize("ended", [False, True])
def test_queries_that_part_in_the_first_batch_or_after_it_begin_where_the_pass_began(checkpoint, folder, ended):
    checkpoint.takes_one_pass("windows", OTHERS)
    write_batch(folder / "windows", 0, 10, ended=ended)

    checkpoint.part("windows", OTHERS)

    first = {"offsets/0", "commits/0"} if ended else set()
    assert files_of(folder / "readings").keys() == {"metadata", "sources/0/0"} | first


def test_a_query_with_a_whole_folder_keeps_it_where_the_note_of_one_pass_came_back(checkpoint, folder):
    checkpoint.takes_one_pass("windows", OTHERS)
    write_batch(folder / "windows", 80, 800, ended=True)
    write_batch(folder / "readings", 75, 750, ended=True)
    own = files_of(folder / "readings")

    assert not checkpoint.takes_one_pass("windows", OTHERS)
    checkpoint.part("windows", OTHERS)

    assert files_of(folder / "readings") == own
    assert (folder / "router" / "commits" / "80").exists()


def test_queries_that_part_before_anything_was_done_begin_anew(checkpoint, folder):
    checkpoint.takes_one_pass("windows", OTHERS)

    checkpoint.part("windows", OTHERS)

    assert list(folder.glob("[!.]*")) == []

"""What a checkpoint was made with is noted in it, and another start is held to it."""

from __future__ import annotations

import json

import pytest

from pipeline.console import ExitCode, UsageError, UserError
from pipeline.spark_checkpoint import Checkpoint

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

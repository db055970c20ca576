"""The disk of Kafka, of MongoDB and of the checkpoint fills up, each a small one of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import pytest
from harness import await_condition
from jobs import START_SECONDS
from pipelines import Pipeline
from servers import Servers, both_servers

pytestmark = [pytest.mark.timeout(5 * START_SECONDS), pytest.mark.long]

SIZE_MIB = 600
# Whose disk it is, and what ends with it.
DISKS = [
    pytest.param("kafka", "kafka", id="kafka"),
    pytest.param("mongo", "mongo", id="mongo"),
    pytest.param("checkpoint", "driver", id="checkpoint"),
]


@dataclass(frozen=True)
class Disk:
    """A file system in memory."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Leave no space on it."""
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        assert disk_usage(self.folder).free == 0

    def make_room(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@pytest.fixture
def disk(owner: str, tmp_path: Path) -> Iterator[Disk]:
    """A disk where the owner keeps its files. Mounting it needs root."""
    folder = tmp_path / owner
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", folder], check=True)
    yield Disk(folder)
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def servers(disk: Disk, tmp_path: Path) -> Iterator[Servers]:
    """Servers, one of them perhaps with its data on the disk."""
    assert disk.folder.parent == tmp_path
    with both_servers(tmp_path) as own:
        yield own


@pytest.mark.parametrize(("owner", "part"), DISKS)
def test_a_full_disk_ends_its_part_with_the_reason_and_nothing_is_lost(
    disk: Disk, pipeline: Pipeline, part: str, tmp_path: Path
):
    pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(2000)

    disk.fill()
    await_condition(lambda: pipeline.has_ended(part), f"the end of {part}", START_SECONDS)
    if part == "driver":
        assert "no space is left for the checkpoint" in pipeline.driver.stderr.splitlines()[-1]
        assert "Traceback" not in pipeline.driver.stderr
    else:
        assert "No space left on device" in (tmp_path / "logs" / f"{part}.log").read_text(errors="replace")
    disk.make_room()
    pipeline.mend(part)

    pipeline.end_producer()
    pipeline.assert_all_is_well()

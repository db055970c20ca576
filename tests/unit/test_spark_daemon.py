"""The process that Spark's Python workers are forked from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness import inherited_environment

from pipeline import spark_daemon


def loaded(folder: Path, then: str) -> str:
    """What a Python says that has loaded the daemon as Spark does: by its name, from a folder of anyone's."""
    # Spark sets the last one, unless it is told otherwise.
    environment = inherited_environment(**spark_daemon.ENVIRONMENT, OMP_NUM_THREADS="1")
    code = f"import importlib, sys; importlib.import_module({spark_daemon.MODULE!r}); {then}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_nothing_that_it_loads_starts_a_thread_which_a_fork_would_lose(tmp_path):
    assert loaded(tmp_path, "import psutil; print(psutil.Process().num_threads())") == "1"


def test_it_has_loaded_what_takes_longest(tmp_path):
    libraries = {"pandas", "pyarrow", "pymongo", "msgspec", "pyspark.worker"}

    assert loaded(tmp_path, f"print({libraries!r} - sys.modules.keys())") == "set()"


def test_a_folder_that_is_named_like_our_package_is_not_taken_for_it(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise ImportError('another one')")

    where = loaded(tmp_path, "print(sys.modules['pipeline'].__path__[0])")

    assert Path(where) == Path(spark_daemon.ENVIRONMENT["PYTHONPATH"]) / "pipeline"

"""The real mongosh, from npm, for the test of init-mongo.js."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from pipeline import runtime
from pipeline.settings import inherited_environment

VERSION = "2.12.0"


def command(folder: Path = runtime.FOLDER) -> list[str]:
    """The words that start mongosh, which is installed into `folder` once; fails where there is no Node.js."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "init-mongo.js is tested with mongosh, which needs node on PATH: install Node.js 20 or newer"
    assert npm, "init-mongo.js is tested with mongosh, which npm installs: put npm on PATH"
    target = folder / f"mongosh-{VERSION}"
    with runtime.locked(folder / "mongosh.lock", lambda: None):
        if not target.is_dir():
            partial = target.with_name(target.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            words = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(partial))
            done = subprocess.run(
                [npm, "install", *words, f"mongosh@{VERSION}"], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"npm cannot install mongosh: {done.stderr}"
            partial.rename(target)
    return [node, str(target / "node_modules" / "mongosh" / "bin" / "mongosh.js")]


def run(uri: str, script: Path, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run a script as the image of MongoDB does."""
    return subprocess.run(
        [*command(), "--quiet", "--norc", f"{uri}/test", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        env=inherited_environment(**environment),
        check=False,
    )

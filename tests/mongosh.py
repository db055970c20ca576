"""The real mongosh, from npm, for the test of init-mongo.js."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline import runtime
from pipeline.settings import inherited_environment

VERSION = "2.12.0"


def command(folder: Path = runtime.FOLDER) -> list[str]:
    """The words that start mongosh, which is installed into `folder` once, with the Node.js of the test environment."""
    node, npm = (str(Path(sys.executable).with_name(name)) for name in ("node", "npm"))
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

"""How well producer.py keeps a rate, and how much it can send: requested, achieved, processor time, memory.

The ratio that counts is achieved to requested; the unpaced run says how much room is left above it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring
import psutil
from harness import local_broker
from measuring import FINISHED

from pipeline.runtime import ROOT

LATENCY = re.compile(r"latency mean ([\d.]+) ms, p95 ([\d.]+) ms")


def measure(servers: str, *words: str) -> str:
    """Run the producer and give a line of figures."""
    command = [sys.executable, str(ROOT / "producer.py"), "--servers", servers, "--sensors", "1000", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        process, memory, used = psutil.Process(child.pid), 0, 0.0
        while child.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                memory = max(memory, sum(one.memory_info().rss for one in family))
                used = max(used, sum(sum(one.cpu_times()[:2]) for one in family))
            except psutil.Error:
                # It ended while we looked.
                break
            time.sleep(0.2)
        text = child.stderr.read() if child.stderr else ""
    finished = FINISHED.search(text)
    latency = LATENCY.findall(text)
    if child.returncode or not finished or not latency:
        raise SystemExit(f"the producer failed:\n{text}")
    seconds, _, achieved, asked = finished.groups()
    ratio = (
        f"{float(achieved.replace(',', '')) / float(asked.replace(',', '')):.4f} of {asked}/s" if asked else "unpaced"
    )
    return (
        f"{' '.join(words):44} {achieved:>10}/s  {ratio:22} latency mean {latency[-1][0]} ms, p95 {latency[-1][1]} ms  "
        f"{100 * used / float(seconds):.0f} % of a core  {memory / 2**20:.0f} MiB"
    )


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of each paced run (default: 20)")
    seconds = str(parser.parse_args().seconds)
    with tempfile.TemporaryDirectory() as folder, local_broker(Path(folder)) as broker:
        # A broker that has just started answers late.
        measure(broker.servers, "--rate", "1000", "--duration", "5")
        for words in (
            ("--rate", "1000", "--duration", seconds),
            ("--rate", "20000", "--duration", seconds),
            ("--rate", "20000", "--duration", seconds, "--processes", "2"),
            ("--unpaced", "--count", "600000"),
            ("--unpaced", "--count", "600000", "--processes", "2"),
        ):
            print(measure(broker.servers, *words), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

"""The command ``unmix4d run SCAN`` from the file to its report, within a given memory."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.clock import Clock
from benchmarks.matrix import Factors

WATCHED = (".", "numpy")
TITLE = "unmix4d run"
MEMORY = "4GiB"


def run(path: Path, _ks: Sequence[int], clock: Clock, options: Mapping[str, object]) -> dict[int, Factors]:
    """Run the command and keep what it cost, with the seconds of each stage."""
    folder = Path(tempfile.mkdtemp(prefix="unmix4d-bench-"))
    program = Path(sys.executable).with_name("unmix4d")
    threads, memory = str(options.get("threads", 2)), str(options.get("memory", MEMORY))
    command = [str(program), "run", str(path), "-o", str(folder / "out"), "--memory", memory, "--threads", threads]
    start = time.perf_counter()
    child = subprocess.Popen(command, env={name: v for name, v in os.environ.items() if "_NUM_THREADS" not in name})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    clock.parts["run"] = {"wall": time.perf_counter() - start, "cpu": usage.ru_utime + usage.ru_stime}
    if child.returncode:
        shutil.rmtree(folder)
        raise RuntimeError(f"unmix4d run ended with exit code {child.returncode}")
    clock.facts["child peak"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    provenance = folder / "out" / "provenance.json"
    if provenance.exists():
        clock.facts["provenance"] = json.loads(provenance.read_text(encoding="utf-8"))
        clock.facts["report"] = (folder / "out" / "report.html").exists()
    shutil.rmtree(folder)
    return {}

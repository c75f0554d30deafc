"""One cell: one method on one scan in a fresh process. ``python -m benchmarks.cell JOB RESULT``, both JSON."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import measure, methods
from benchmarks.clock import Clock, OwnMemory, peak_bytes
from benchmarks.matrix import Factors, open_matrix
from benchmarks.scans import Files


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Run the method of a job and measure what it found."""
    path = Path(job["path"])
    method, clock = methods.load(job["method"]), Clock()
    with OwnMemory() as memory:
        fits = method(path, job["ks"], clock, job["options"])
    answer = {
        "parts": clock.parts,
        "facts": clock.facts,
        "said": clock.said,
        "peak": peak_bytes(),
        "own_peak": memory.peak,
        "process_cpu": time.process_time(),
    }
    if job["measure"] and fits:
        answer |= _measured(Files(patterns=path, truth=path.with_suffix(".npz")), fits)
    return answer


def _measured(scan: Files, fits: Mapping[int, Factors]) -> dict[str, Any]:
    prepared, matrix = open_matrix(scan.patterns)
    truth = scan.labels()
    return {
        "losses": measure.losses(matrix, fits),
        "agreement": {k: measure.agreement(prepared, matrix, factors, truth) for k, factors in fits.items()},
    }


def main(job: str, result: str) -> None:
    """Work and write the answer beside its final name first."""
    answer = work(json.loads(job))
    part = Path(result).with_suffix(".part")
    part.write_text(json.dumps(answer, indent=1, default=str), encoding="utf-8")
    part.replace(result)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a worker process does: makes one scan and runs the methods on it that have no result yet."""

import time
import traceback
from collections.abc import Sequence
from typing import Any

from benchmarks.accuracy import methods, pairs, scores
from benchmarks.accuracy.answer import Answer
from benchmarks.accuracy.faults import cell_of
from benchmarks.accuracy.scan import SimulatedScan, make_scan
from benchmarks.accuracy.store import Job


def work(cell: str, seed: int, names: Sequence[str]) -> list[str]:
    """Run methods on one scan and keep what they score; give the names of those that failed, with the reason."""
    try:
        scan = make_scan(cell_of(cell).spec, seed)
    except ValueError as error:
        return [f"{cell} {seed}: {error}"]
    failed = []
    for name in names:
        begun = time.process_time()
        try:
            answer = methods.run(name, scan)
        except Exception:  # noqa: BLE001 - one method must not end the run of the others
            failed.append(f"{cell} {seed} {name}: {traceback.format_exc(limit=3)}")
            continue
        result = judged(scan, answer) | {"cpu": time.process_time() - begun}
        Job(cell=cell, seed=seed, method=name).save(result)
    return failed


def judged(scan: SimulatedScan, answer: Answer) -> dict[str, Any]:
    """Give all that is kept of an answer."""
    return {
        "n_crystals": answer.n_crystals,
        "confidence": answer.confidence,
        "faults": answer.faults,
        "votes": {name: int(k) for name, k in answer.votes.items()},
        "seconds": dict(answer.seconds),
        "scores": scores.score(scan.truth, answer) | pairs.score(scan.truth, answer),
    }

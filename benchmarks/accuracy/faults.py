"""Scans with one fault and no other, beside the same scan without any: what each cleaning step is judged on."""

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.accuracy import methods
from benchmarks.accuracy.cells import CELLS, MIDDLE, Cell

NO_FAULT = "no-fault"
EVERY_FAULT = "every-fault"

# The step that mends it, then the cells of a fault, each with what it changes in a scan without any.
_FAULTS: dict[str, dict[str, dict[str, object]]] = {
    "hot_pixels": {"hot-and-dead": {"n_hot": 20, "n_dead": 10}},
    "offset": {"camera-offset": {"camera": "cmos"}},
    "descan": {"descan-slight": {"descan": 0.8}, "descan-strong": {"descan": 3.0}},
    "saturation": {"beam-stop": {"beam": "stopped"}, "beam-full": {"beam": "saturated"}},
    "vacuum": {"vacuum-30": {"vacuum": 0.3}},
}


def _all() -> dict[str, Cell]:
    """Give the scan without fault, one fault at a time, and of every step the last fault together."""
    plain = replace(
        CELLS[MIDDLE].spec, beam="conserving", camera="counting", descan=0.0, n_hot=0, n_dead=0, vacuum=0.0
    )
    found = {NO_FAULT: Cell(name=NO_FAULT, factor="", spec=plain, without=tuple(methods.WITHOUT))}
    together: dict[str, object] = {}
    for step, cells in _FAULTS.items():
        for name, changes in cells.items():
            spec = replace(plain, **changes)  # type: ignore[arg-type]
            found[name] = Cell(name=name, factor=step, spec=spec, without=(methods.without(step),))
            together |= changes
    spec = replace(plain, **together)  # type: ignore[arg-type]
    found[EVERY_FAULT] = Cell(
        name=EVERY_FAULT, factor=methods.EVERY, spec=spec, without=(methods.without(methods.EVERY),)
    )
    return found


FAULTS: Mapping[str, Cell] = _all()


def cell_of(name: str) -> Cell:
    """Give a cell of the bench by its name."""
    return FAULTS[name] if name in FAULTS else CELLS[name]

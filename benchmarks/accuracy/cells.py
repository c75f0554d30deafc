"""The cells of the bench: a realistic middle, one factor at a time around it, and scans without two crystals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.accuracy.spec import Spec

TUNING = range(10)  # seeds that thresholds may be chosen on
REPORTING = range(100, 110)  # seeds of the tables; nobody looks at them while tuning
QUICK = ("middle", "dose-400", "crystals-12", "one-crystal")
QUICK_SEEDS = 3
MIDDLE = "middle"
DOSES = ("dose-50", "dose-150", "dose-400", MIDDLE, "dose-10000")  # on which the filters are compared

_NONE = {"n_minority": 0, "n_particles": 0, "n_repeats": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One column of conditions.

    Attributes
    ----------
    name, factor : str
    spec : Spec
    negative : bool
        There are no two crystals to tell apart: any confident number above 1 is wrong.
    costly : bool
        Also the methods that take minutes run on it.
    without : tuple of str
        unmix4d runs on it with and without these cleaning steps, and no other method does; by their method's name.
    """

    name: str
    factor: str
    spec: Spec
    negative: bool = False
    costly: bool = False
    without: tuple[str, ...] = ()


# Factor, then its cells, each with what it changes in the middle.
_FACTORS: dict[str, dict[str, dict[str, object]]] = {
    "dose": {
        # Nobody takes so few electrons with a camera that has read noise.
        "dose-50": {"bragg_electrons": 50.0, "camera": "counting"},
        "dose-150": {"bragg_electrons": 150.0, "camera": "counting"},
        "dose-400": {"bragg_electrons": 400.0},
        "dose-10000": {"bragg_electrons": 10000.0},
    },
    "crystals": {
        "crystals-2": {"n_crystals": 2, **_NONE},
        "crystals-4": {"n_crystals": 4, "n_minority": 1},
        "crystals-12": {"n_crystals": 12},
        "crystals-16": {"n_crystals": 16, "n_particles": 2},
        "crystals-20": {"n_crystals": 20, "n_particles": 2},
    },
    "boundaries": {"boundary-4": {"boundary": 4.0}, "boundary-40": {"boundary": 40.0}},
    "thickness": {
        "thickness-even": {"thickness": 0.1, "modulation": 0.0},
        "thickness-strong": {"thickness": 0.6, "modulation": 0.9},
    },
    "bending": {"bending-0": {"bending_degrees": 0.0}, "bending-1.5": {"bending_degrees": 1.5}},
    "beam": {"beam-conserving": {"beam": "conserving"}, "beam-stopped": {"beam": "stopped"}},
    "background": {"background-3": {"background": 3.0}, "film": {"film": 0.7}},
    "descan": {
        "descan-0": {"descan": 0.0},
        "descan-3": {"descan": 3.0},
        "jitter": {"jitter": 0.6},
    },
    "pixels": {"pixels-0": {"n_hot": 0, "n_dead": 0}, "pixels-60": {"n_hot": 40, "n_dead": 20}},
    "camera": {"camera-counting": {"camera": "counting"}, "camera-8-bit": {"camera": "eight-bit"}},
    "scene": {
        "particles-3": {"n_crystals": 8, "n_particles": 3, "n_minority": 1},
        "minority-4": {"n_crystals": 9, "n_minority": 4},
        "vacuum-50": {"vacuum": 0.5, "n_repeats": 0},
        "subgrains": {"n_subgrains": 1},
        "one-phase": {"phases": ("gold",)},
        "spots-wide": {"spot_radius": 2.6},
    },
    "together": {
        "clean": {
            "beam": "conserving",
            "camera": "counting",
            "background": 0.2,
            "descan": 0.0,
            "n_hot": 0,
            "n_dead": 0,
            "boundary": 8.0,
            "modulation": 0.2,
            "bending_degrees": 0.1,
            "bragg_electrons": 4000.0,
        },
        "all-faults": {
            "bragg_electrons": 600.0,
            "background": 1.5,
            "film": 0.3,
            "descan": 2.5,
            "jitter": 0.3,
            "n_hot": 20,
            "n_dead": 10,
            "bending_degrees": 0.8,
            "modulation": 0.8,
        },
    },
}
_NEGATIVE: dict[str, dict[str, object]] = {
    "one-crystal": {"n_crystals": 1, **_NONE},
    "one-bent-crystal": {"n_crystals": 1, **_NONE, "bending_degrees": 4.0},
    "amorphous": {"n_crystals": 0, **_NONE, "film": 2.0},
    "vacuum-only": {"n_crystals": 0, **_NONE, "background": 0.2},
}
_COSTLY = (MIDDLE, "dose-400", "crystals-4", "crystals-12", "camera-counting", "clean")


def _all() -> dict[str, Cell]:
    middle = Spec()
    found = {MIDDLE: Cell(name=MIDDLE, factor=MIDDLE, spec=middle, costly=True)}
    for factor, cells in _FACTORS.items():
        for name, changes in cells.items():
            spec = replace(middle, **changes)  # type: ignore[arg-type]
            found[name] = Cell(name=name, factor=factor, spec=spec, costly=name in _COSTLY)
    for name, changes in _NEGATIVE.items():
        spec = replace(middle, **changes)  # type: ignore[arg-type]
        found[name] = Cell(name=name, factor="negative", spec=spec, negative=True)
    return found


CELLS: Mapping[str, Cell] = _all()


def split_of(seed: int) -> str:
    """Tell what a seed is for.

    Raises
    ------
    ValueError
        If it is for neither tuning nor reporting.
    """
    for name, seeds in (("tuning", TUNING), ("reporting", REPORTING)):
        if seed in seeds:
            return name
    raise ValueError(f"seed {seed} is neither in {TUNING} (tuning) nor in {REPORTING} (reporting)")

"""Criteria of other packages: measured and shown with ours, without a say in the answer."""

from collections.abc import Sequence

from unmix4d import registry
from unmix4d.errors import UsageError
from unmix4d.records import CriterionCurve, Sweep


def other_criteria(sweep: Sweep, taken: Sequence[CriterionCurve]) -> tuple[CriterionCurve, ...]:
    """Evaluate every criterion that another package names in the entry-point group ``unmix4d.criteria``.

    Parameters
    ----------
    sweep : Sweep
    taken : sequence of CriterionCurve
        Whose names no other curve may have: tables and ``result.h5`` go by name.

    Returns
    -------
    tuple of CriterionCurve

    Raises
    ------
    UsageError
        If a curve has the name of one of ours or of another package's.
    """
    curves: list[CriterionCurve] = []
    for name in registry.names("criteria"):
        if name in registry.BUILT_IN["criteria"]:
            continue
        curve = registry.load("criteria", name)().curve(sweep)
        if curve.name in {one.name for one in (*taken, *curves)}:
            raise UsageError(
                f"the criterion {name!r} of another package gives a curve named {curve.name!r}, which exists "
                f"already: remove that package, or give the curve a name of its own"
            )
        curves.append(curve)
    return tuple(curves)

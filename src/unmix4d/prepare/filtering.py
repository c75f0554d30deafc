"""A filter by its name: made, shown the scan, and, if it registers spots, used on every pattern at once."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unmix4d import registry
from unmix4d.errors import InputError
from unmix4d.execute import Executor
from unmix4d.prepare.chain import Prepared
from unmix4d.records import SpotTable
from unmix4d.registry import Filter, Keeper, Registering

OPTIONS = frozenset({"gate", "spot_background", "spot_radius"})
STEP = "spots"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filtered:
    """A scan with the filter that is used on it, and the spots that this found."""

    prepared: Prepared
    filter: Filter
    spots: SpotTable | None = None

    @property
    def redrawn(self) -> bool:
        """Patterns are drawn anew from these spots."""
        return self.spots is not None


def apply_filter(
    prepared: Prepared, name: str, settings: Mapping[str, Any], *, executor: Executor, keeper: Keeper
) -> Filtered:
    """Get a filter ready, with those of the settings that it takes; patterns are filtered when they are read.

    Of a filter that registers spots the table is made here, or taken from what an interrupted run has kept;
    patterns without any spot count as empty.

    Raises
    ------
    InputError
        If no pattern has a spot.
    """
    kind = registry.load("filters", name)
    taken = OPTIONS & inspect.signature(kind).parameters.keys() & settings.keys()
    used = prepared.fitted(kind(**{option: settings[option] for option in taken}))
    if not isinstance(used, Registering):
        return Filtered(prepared=prepared, filter=used)
    kept = keeper.load(STEP)
    if kept is None:
        spots = prepared.spots(used, executor)
        keeper.save(STEP, spots.as_arrays())
    else:
        spots = SpotTable.from_arrays(kept, prepared.source.geometry)
    if spots.n_spots == 0:
        raise InputError(
            f"the filter {name} finds no spot in any pattern: use --filter raw, or another --spot-background"
        )
    return Filtered(prepared=prepared.without_spotless(spots), filter=used, spots=spots)

"""What a person changed by hand about the crystals of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Operation = Literal["rename", "recolor", "merge", "mark", "split"]

EDIT_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rename": ("crystal", "name"),
        "recolor": ("crystal", "color"),
        "merge": ("crystals",),
        "mark": ("crystal", "as"),
        "split": ("crystal", "least"),
    }
)
"""What each operation takes, as it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One operation; crystals are named by their numbers, which never change and are never given again.

    Attributes
    ----------
    do : str
    crystals : tuple of int
        One; of "merge" two or more, of which the first keeps its number, name and colour.
    name, color : str
        Of "rename" and "recolor"; a colour is "#rrggbb".
    role : str
        Of "mark": "background" or "vacuum".
    least : int
        Of "split": probes that a part must have; smaller pieces go to the nearest part.
    """

    do: Operation
    crystals: tuple[int, ...]
    name: str = ""
    color: str = ""
    role: Literal["", "background", "vacuum"] = ""
    least: int = 1

    @property
    def plain(self) -> dict[str, Any]:
        """The operation as it is written, in plain values."""
        own = {"name": self.name, "color": self.color, "as": self.role, "least": self.least}
        own |= {"crystals": list(self.crystals), "crystal": self.crystals[0]}
        return {"do": self.do, **{key: own[key] for key in EDIT_KEYS[self.do]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """Operations in their order, and the identity of the run that they belong to (``RunResult.identity``)."""

    run: Mapping[str, Any]
    operations: tuple[Edit, ...] = ()

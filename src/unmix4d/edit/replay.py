"""What each operation does to the crystals; ``static/edits.js`` does the same in the explorer.

``tests/edits/cases.json`` holds cases that both must answer alike.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from unmix4d.edit.regions import parts_of
from unmix4d.errors import InputError
from unmix4d.quality.material import find_material
from unmix4d.records import (
    NO_CRYSTAL,
    BoolArray,
    ClusterMap,
    ComponentRoles,
    CrystalLook,
    Edit,
    FloatArray,
    IntArray,
    Role,
)

_BY_NUMBER = re.compile(r"crystal [0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Piece:
    """A crystal while edits are replayed: (scan_y, scan_x) Bragg counts, (pattern_y, pattern_x) pattern."""

    look: CrystalLook
    weights: FloatArray
    pattern: FloatArray

    @property
    def name(self) -> str:
        return self.look.name or f"crystal {self.look.number}"


def replay(found: ClusterMap, probe_mask: BoolArray, operations: Sequence[Edit]) -> ClusterMap:
    """Apply operations to the cluster map of a run.

    Labels are given by the rule of the run: the crystal with the most Bragg counts, the lowest on ties. What was
    marked does not vote; where the rest has too little, by the run's rule for vacuum, there is no crystal.

    Parameters
    ----------
    found : ClusterMap
        As the run gave it.
    probe_mask : (scan_y, scan_x) bool
    operations : sequence of Edit

    Returns
    -------
    ClusterMap
        Its crystals in the order of their numbers, each with its look.

    Raises
    ------
    InputError
        If an operation cannot be done: the sentence says which, and why.
    """
    bench = _Bench(found, probe_mask)
    for i, edit in enumerate(operations, start=1):
        try:
            bench.do(edit)
        except ValueError as error:
            raise InputError(f"edit {i} ({edit.do}) cannot be done: {error}") from None
    return bench.clusters()


@dataclass(slots=True)
class _Bench:
    """Crystals as they are after the operations so far."""

    found: ClusterMap
    probe_mask: BoolArray
    pieces: list[_Piece] = field(init=False)
    seen: BoolArray = field(init=False)
    marks: dict[int, Role] = field(default_factory=dict)
    next_number: int = field(init=False)

    def __post_init__(self) -> None:
        self.pieces = [
            _Piece(
                look=CrystalLook(number=i, components=tuple(self.found.members(i))),
                weights=self.found.crystal_weights[i],
                pattern=self.found.crystal_patterns[i],
            )
            for i in range(self.found.n_crystals)
        ]
        self.seen = self.found.labels != NO_CRYSTAL
        self.next_number = len(self.pieces)

    def do(self, edit: Edit) -> None:
        """Do one operation; ValueError says why not."""
        places = [self._place(number) for number in edit.crystals]
        at = places[0]
        if edit.do == "rename":
            self._rename(at, edit.name)
        elif edit.do == "recolor":
            self.pieces[at] = _seen_as(self.pieces[at], color=edit.color)
        elif edit.do == "merge":
            self._merge(places)
        elif edit.do == "mark" and edit.role:
            self._mark(at, edit.role)
        else:
            self._split(at, edit.least)

    def labels(self) -> IntArray:
        """Index of the strongest piece at each probe."""
        labels = np.full(self.seen.shape, NO_CRYSTAL, dtype=np.int16)
        if self.pieces:
            strongest = np.stack([piece.weights for piece in self.pieces]).argmax(axis=0)
            labels[self.seen] = strongest[self.seen]
        return labels

    def clusters(self) -> ClusterMap:
        """Give the map, with a look for each crystal."""
        shapes = self.found.crystal_weights.shape[1:], self.found.crystal_patterns.shape[1:]
        weights, patterns = (np.zeros((len(self.pieces), *shape), np.float32) for shape in shapes)
        for i, piece in enumerate(self.pieces):
            weights[i], patterns[i] = piece.weights, piece.pattern
        return ClusterMap(
            labels=self.labels(),
            roles=self._roles(),
            crystal_patterns=patterns,
            crystal_weights=weights,
            looks=tuple(piece.look for piece in self.pieces),
        )

    def _place(self, number: int) -> int:
        numbers = [piece.look.number for piece in self.pieces]
        if number not in numbers:
            there = f"there are {', '.join(map(str, numbers))}" if numbers else "none is left"
            raise ValueError(f"there is no crystal {number} at this point; {there}")
        return numbers.index(number)

    def _rename(self, at: int, name: str) -> None:
        own = f"crystal {self.pieces[at].look.number}"
        if _BY_NUMBER.fullmatch(name) and name != own:
            raise ValueError(f'"{name}" is what the crystal with that number is called: give another name')
        if any(piece.name == name for i, piece in enumerate(self.pieces) if i != at):
            raise ValueError(f'another crystal is called "{name}": give another name, or merge them')
        self.pieces[at] = _seen_as(self.pieces[at], name="" if name == own else name)

    def _merge(self, places: list[int]) -> None:
        kept = self.pieces[places[0]]
        weights = kept.weights.copy()
        totals = [float(self.pieces[at].weights.sum(dtype=np.float64)) for at in places]
        for at in places[1:]:
            weights += self.pieces[at].weights
        pattern = np.tensordot(totals, np.stack([self.pieces[at].pattern for at in places]), axes=1)
        components = sorted({i for at in places for i in self.pieces[at].look.components})
        self.pieces[places[0]] = _Piece(
            look=replace(kept.look, components=tuple(components)),
            weights=weights,
            pattern=(pattern / max(float(pattern.sum()), np.finfo(float).tiny)).astype(np.float32),
        )
        self.pieces = [piece for at, piece in enumerate(self.pieces) if at not in places[1:]]

    def _mark(self, at: int, role: Role) -> None:
        self.marks |= dict.fromkeys(self.pieces.pop(at).look.components, role)
        total = np.zeros(self.seen.shape)
        for piece in self.pieces:
            total += piece.weights
        if self.seen.any():
            self.seen = self.seen & find_material(total, self.probe_mask) & (total > 0)

    def _split(self, at: int, least: int) -> None:
        piece = self.pieces[at]
        try:
            parts = parts_of(self.labels() == at, least=least)
        except ValueError as error:
            raise ValueError(f"crystal {piece.look.number} {error}") from None
        split = [
            replace(piece, weights=np.where(parts == part, piece.weights, np.float32(0)))
            for part in range(int(parts.max()) + 1)
        ]
        self.pieces[at] = split[0]
        for part in split[1:]:
            self.pieces.append(
                replace(part, look=CrystalLook(number=self.next_number, components=piece.look.components))
            )
            self.next_number += 1

    def _roles(self) -> ComponentRoles:
        """Say what each component is now: it belongs to the first crystal that has it."""
        found = self.found.roles
        crystals = np.full(len(found.crystals), NO_CRYSTAL, dtype=np.int16)
        roles: list[Role] = list(found.roles)
        for i in reversed(range(len(self.pieces))):
            crystals[list(self.pieces[i].look.components)] = i
        for component, role in self.marks.items():
            if crystals[component] == NO_CRYSTAL:
                roles[component] = role
        for i in range(len(self.pieces)):
            chief = [int(c) for c in np.flatnonzero(crystals == i) if roles[c] == "crystal"]
            for component in chief[1:]:
                roles[component] = "split"
        return replace(found, roles=tuple(roles), crystals=crystals)


def _seen_as(piece: _Piece, **changes: str) -> _Piece:
    return replace(piece, look=replace(piece.look, **changes))  # type: ignore[arg-type]

"""Finished steps as named arrays, for a keeper, and back."""

from collections.abc import Mapping, Sequence

import numpy as np

from unmix4d.factorize.factored import Candidate
from unmix4d.factorize.refine import Measured
from unmix4d.factorize.sketch import Sketch, find_squares, outline
from unmix4d.factorize.tries import Tried
from unmix4d.records import AnyArray, FactoredMatrix, PatternMatrix

Arrays = Mapping[str, AnyArray]


def pack_sketch(sketch: Sketch) -> Arrays:
    """Keep a low-rank form; masks and geometry are those of its matrix."""
    factored = sketch.factored
    names = ("scores", "basis", "row", "column")
    return {name: getattr(factored, name) for name in names} | {
        "norm2": np.array(factored.norm2),
        "probe_row": sketch.row,
        "probe_norm2": np.array(sketch.norm2),
    }


def unpack_sketch(arrays: Arrays, matrix: PatternMatrix) -> Sketch:
    """Give back a low-rank form."""
    squares = find_squares(matrix)
    factored = FactoredMatrix(
        scores=arrays["scores"],
        basis=arrays["basis"],
        row=arrays["row"],
        column=arrays["column"],
        norm2=float(arrays["norm2"]),
        pixel_mask=matrix.pixel_mask,
        of=None if squares is None else squares.of,
        **outline(matrix, squares),
    )
    return Sketch(factored=factored, row=arrays["probe_row"], norm2=float(arrays["probe_norm2"]))


def pack_candidate(candidate: Candidate) -> Arrays:
    """Keep one factorization."""
    return {
        "start": np.array(candidate.start),
        "components": candidate.components,
        "weights": np.ascontiguousarray(candidate.weights.T),
        "history": np.array(candidate.history),
        "converged": np.array(candidate.converged),
    }


def unpack_candidate(arrays: Arrays) -> Candidate:
    """Give back one factorization."""
    return Candidate(
        start=str(arrays["start"]),
        components=arrays["components"],
        weights=arrays["weights"].T,
        history=arrays["history"].tolist(),
        converged=bool(arrays["converged"]),
    )


def pack_tried(tried: Tried) -> Arrays:
    """Keep what came of the starts of one k."""
    return {
        **pack_candidate(tried.best),
        "starts": np.array(list(tried.losses)),
        "losses": np.array(list(tried.losses.values())),
        "stability": np.array(tried.stability),
    }


def unpack_tried(arrays: Arrays) -> Tried:
    """Give back what came of the starts of one k."""
    return Tried(
        best=unpack_candidate(arrays),
        losses=dict(zip(arrays["starts"].tolist(), arrays["losses"].tolist(), strict=True)),
        stability=float(arrays["stability"]),
    )


def pack_measured(measured: Measured, candidates: Sequence[Candidate]) -> Arrays:
    """Keep exact losses, and everything that measuring changed of the candidates; components only if refined."""
    arrays: dict[str, AnyArray] = {
        "losses": np.array(measured.losses),
        "gain": np.array(measured.gain),
        "passes": np.array(measured.passes),
    }
    for candidate in candidates:
        arrays[f"weights-{candidate.k}"] = np.ascontiguousarray(candidate.weights.T)
        arrays[f"history-{candidate.k}"] = np.array(candidate.history)
        arrays[f"converged-{candidate.k}"] = np.array(candidate.converged)
        if measured.passes:
            arrays[f"components-{candidate.k}"] = np.ascontiguousarray(candidate.components)
            arrays[f"as-counts-{candidate.k}"] = np.array(candidate.as_counts)
    return arrays


def unpack_measured(arrays: Arrays, candidates: Sequence[Candidate]) -> Measured:
    """Give back exact losses, and bring the candidates up to date."""
    for candidate in candidates:
        candidate.weights = arrays[f"weights-{candidate.k}"].T
        candidate.history = arrays[f"history-{candidate.k}"].tolist()
        candidate.converged = bool(arrays[f"converged-{candidate.k}"])
        if f"components-{candidate.k}" in arrays:
            candidate.components = arrays[f"components-{candidate.k}"]
            candidate.as_counts = bool(arrays[f"as-counts-{candidate.k}"])
    return Measured(losses=arrays["losses"].tolist(), gain=float(arrays["gain"]), passes=int(arrays["passes"]))

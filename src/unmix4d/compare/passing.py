"""The one pass over the measured patterns: sums of every cluster, and how near each member is."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from unmix4d.execute import Executor
from unmix4d.quality.kernels import add_classes, class_cosines
from unmix4d.records import BoolArray, FloatArray, IntArray, PatternMatrix

MOST_TOGETHER = 8  # blocks: sums over patterns of many pixels are as large as a block, and slow to hand on
FEWEST_PARTS = 32  # so that many workers have something to do


class Sums(NamedTuple):
    """Float64 sums over probes: of patterns and of unit patterns (n_crystals, n_pixels), of all (n_pixels,).

    ``cosines`` (n_probes,) are those of the members with the template of their cluster; NaN where there is none.
    """

    patterns: FloatArray
    directions: FloatArray
    total: FloatArray
    cosines: FloatArray


class Templates(NamedTuple):
    """Unit patterns (n_crystals, n_pixels) to hold members against; 1 for the pixels that count (n_pixels,)."""

    patterns: FloatArray
    used: FloatArray


def make_templates(patterns: FloatArray, used: BoolArray) -> Templates:
    """Give patterns (n_crystals, n_pixels) norm 1 over the pixels that count; those of empty clusters are 0."""
    kept = np.where(used, np.nan_to_num(patterns), 0)
    norms = np.linalg.norm(kept, axis=1, keepdims=True)
    units = np.divide(kept, norms, out=np.zeros_like(kept), where=norms > 0)
    return Templates(units.astype(np.float32), used.astype(np.float32))


def measure(
    matrices: Sequence[PatternMatrix], labels: IntArray, templates: Templates, executor: Executor
) -> tuple[Sums, ...]:
    """Sum the patterns of every cluster in each matrix, some blocks at a time, in the order of the blocks."""
    shape = templates.patterns.shape
    sums = tuple(
        Sums(np.zeros(shape), np.zeros(shape), np.zeros(shape[1]), np.full(len(labels), np.nan)) for _ in matrices
    )
    parts = [(i, part) for i, matrix in enumerate(matrices) for part in _parts(matrix)]
    parts.sort(key=lambda part: matrices[part[0]].bounds[part[1].start])  # what was read for one is at hand for all
    pieces = executor.map_blocks(partial(_part_sums, matrices, labels, templates), parts)
    for (i, blocks), piece in zip(parts, pieces, strict=True):
        for whole, share in zip(sums[i][:3], piece[:3], strict=True):
            np.add(whole, share, out=whole)
        sums[i].cosines[matrices[i].bounds[blocks.start] : matrices[i].bounds[blocks.stop]] = piece.cosines
    return sums


def _parts(matrix: PatternMatrix) -> list[range]:
    n = matrix.n_blocks
    together = max(1, min(MOST_TOGETHER, n // FEWEST_PARTS))
    return [range(first, min(first + together, n)) for first in range(0, n, together)]


def _part_sums(
    matrices: Sequence[PatternMatrix], labels: IntArray, templates: Templates, part: tuple[int, range]
) -> Sums:
    matrix, blocks = matrices[part[0]], part[1]
    n_crystals = len(templates.patterns)
    sums, directions = np.zeros((2, n_crystals + 1, matrix.n_pixels))
    cosines = []
    for block in blocks:
        of_block = labels[matrix.rows_of(block)].astype(np.int64)
        of_block[of_block < 0] = n_crystals  # no cluster: counts in the total only
        order = np.argsort(of_block, kind="stable")
        patterns = matrix.read_block(block)
        add_classes(patterns, of_block, order, sums, directions)
        cosines.append(class_cosines(patterns, of_block, *templates))
    return Sums(sums[:-1], directions[:-1], sums.sum(axis=0), np.concatenate(cosines))

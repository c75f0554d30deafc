"""Count C: crystals as their purest probes show them; those with the same spots are one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unmix4d.decide.coherence import autocorrelation
from unmix4d.decide.counting import Counted, Model
from unmix4d.decide.roles import SAME_CRYSTAL
from unmix4d.decide.segments import Group, Linking, Segments, find_segments
from unmix4d.decide.spots import crystal_similarity, evenness, spot_patterns
from unmix4d.decide.vote import SPARE
from unmix4d.quality.background import MIN_SIDE, shrink
from unmix4d.quality.purity import alone_nowhere
from unmix4d.quality.turned import PUREST_GAIN, turned_apart
from unmix4d.records import Beam, BoolArray, FactoredMatrix, Factorization, FloatArray, IntArray, Purified, Sweep

FINE = Linking("average", 0.60)
"""Pieces to begin with: rather one crystal in several than two in one."""

SAME = Linking("average", 0.64)
"""Crystals whose purest probes are as alike as this are one; see decision 0018."""

HELD = 0.2
"""Share of the Bragg counts that a crystal which is the strongest nowhere has on connected probes."""

HELD_PURE = 0.3
"""The same for what its purest probes show."""

UNLIKE = 0.42
"""Mean similarity to any other crystal below which such components are surely none of its; see decision 0022."""

PUREST = 30
"""Probes by which it is judged whether a crystal is seen alone."""

UNLIKE_LEFT, PERHAPS = 0.28, 0.04
"""Where one of two is not, they are two if what is left of them without each other is less alike than this; else
their similarity counts for a little more; see decision 0022."""

FOREIGN, UNLIKE_FOREIGN = 0.06, 0.42
"""Two of which the lesser has more than this share of its counts where the other has no spots are two up to this
similarity of what is left; see decision 0023."""

UNLIKE_MISSED, UNLIKE_WHOLE = 0.40, 0.80
"""What is left unexplained somewhere, and all that is there, are of another crystal below; see decision 0024."""

EVEN = 0.25
"""What lies all around the beam more evenly than this is a ring."""

FEW_SPOTS = 3
STEADY = 0.5
"""What has fewer spots is noise unless its map is as much the same one probe further; noise comes to 0.35."""

LOOSE = 0.40
"""Least similarity of a component with the crystal that it belongs to."""

LIKE = 0.50
"""Similarity from which on a component stands for a crystal."""


def with_purified(sweep: Sweep, counted: Counted, *, beam: Beam | None) -> Counted:
    """Purify the pieces of the largest factorization, and put together those that are the same crystal.

    Components of one crystal that bends or changes its thickness have different spots in part, because each leaves
    to the others what they have in common. The mean of the probes on which a piece is nearly alone has all of them.
    Pieces whose means are alike are put together, and purified anew, until no two are.

    Parameters
    ----------
    sweep : Sweep
    counted : Counted
        By components.
    beam : Beam or None

    Returns
    -------
    Counted
        With `Counted.purified`; as it was if the solver offers no low-rank form, its rank tells nothing, patterns
        are too small to tell spots from background, or no factorization can have as many components.
    """
    factored, fit = sweep.factored, counted.largest
    if factored is None or sweep.purify is None or fit is None:
        return counted
    if min(factored.geometry.pattern_shape) < MIN_SIDE:
        return counted
    segments = counted.segments[fit.k]
    groups = segments.groups(FINE)
    pieces = [group.members for group in groups if group.crystal] + _hidden(segments, groups)
    found, alike = _settle(sweep, *_begin(factored, fit, pieces, beam), beam=beam, settled=False)
    if sweep.find_missed is not None and found.n_crystals:
        bragg, spots = _unlike(found, sweep.find_missed(factored, found, beam=beam))
        if len(spots):
            bragg, spots = np.hstack([found.bragg, bragg]), np.concatenate([found.spots, spots])
            found, alike = _settle(sweep, bragg, spots, beam=beam, settled=True)
    if found.n_crystals > sweep.ks[-1] and sweep.refit is None:
        return counted
    closest = float(np.triu(alike, 1).max()) if found.n_crystals else 0.0
    return replace(counted, purified=found, closest=closest)


def _settle(
    sweep: Sweep, bragg: FloatArray, spots: FloatArray, *, beam: Beam | None, settled: bool
) -> tuple[Purified, FloatArray]:
    """Purify pieces and put them together until no two are one crystal; give them, and how alike they are."""
    assert sweep.factored is not None
    assert sweep.purify is not None
    alike: FloatArray = np.zeros((0, 0))
    found = Purified(bragg=bragg, spots=spots, means=spots)
    while len(spots):
        found = sweep.purify(sweep.factored, bragg, spots, beam=beam, settled=settled)
        alike = _alike(found, sweep.factored.probes_per_row, beam)
        together = _put_together(sweep.factored, found, alike, beam)
        if len(together) == found.n_crystals:
            break
        found = _merged(found, together)
        bragg, spots, settled = found.bragg, found.spots, True
    return found, alike


def _unlike(found: Purified, pieces: Purified) -> tuple[FloatArray, FloatArray]:
    """Bragg counts and spots of missed pieces that are of no crystal which bends: neither what is left, nor all."""
    n = pieces.n_crystals
    left = crystal_similarity(np.concatenate([pieces.spots, found.spots]))[:n, n:]
    whole = crystal_similarity(np.concatenate([pieces.means, found.means]))[:n, n:]
    new = (left.max(axis=1) < UNLIKE_MISSED) & (whole.max(axis=1) < UNLIKE_WHOLE)
    return pieces.bragg[:, new], pieces.spots[new]


def _begin(
    factored: FactoredMatrix, fit: Factorization, pieces: Sequence[Sequence[int]], beam: Beam | None
) -> tuple[FloatArray, FloatArray]:
    """Bragg counts (n_rows, n) and spots of each piece as its components give them."""
    images = spot_patterns(fit.component_patterns(), fit.pixel_mask, beam)
    weights = factored.gather(fit.weights).astype(np.float64)
    members = np.array([np.isin(np.arange(fit.k), piece) for piece in pieces], dtype=np.float64).reshape(-1, fit.k)
    spots = np.tensordot(members * weights.sum(axis=0), images, axes=1)
    return (weights * images.sum(axis=(1, 2), dtype=np.float64)) @ members.T, spots


def _put_together(
    factored: FactoredMatrix, found: Purified, alike: FloatArray, beam: Beam | None
) -> list[tuple[int, ...]]:
    """Group what is one crystal; leave out what owns no piece of the specimen, has no spots, or is a ring."""
    seen = _shows_spots(found, factored)
    rings = evenness(found.means, factored.pixel_mask, beam) > EVEN
    bragg = (found.bragg * seen).astype(np.float32)
    segments = Segments(
        similarity=alike,
        bragg=bragg,
        counts=bragg.sum(axis=0, dtype=np.float64),
        peakedness=np.ones(found.n_crystals),
        roundness=rings.astype(np.float64),
        forced=None,
        keeps_background=False,
        probe_mask=factored.probe_mask,
        probes=factored.probes_per_row,
    )
    groups = segments.groups(SAME)
    kept = [group.members for group in groups if group.crystal]
    return kept + segments.hidden(groups, share=HELD_PURE, unlike=SAME.limit)


def _hidden(segments: Segments, groups: Sequence[Group]) -> list[tuple[int, ...]]:
    return segments.hidden(groups, share=HELD, unlike=UNLIKE)


def has_hidden(counted: Counted) -> bool:
    """Tell whether the largest factorization shows a crystal that is the strongest nowhere: no vote counts it."""
    if counted.largest is None:
        return False
    segments = counted.segments[counted.largest.k]
    return bool(_hidden(segments, segments.groups(FINE)))


def _alike(found: Purified, probes_per_row: int, beam: Beam | None) -> FloatArray:
    """Similarity of the purest probes, (n, n); where one of two is alone nowhere, what is left of it decides.

    It is 0 for those that are turned against each other.

    Its purest probes show its neighbour as well, so that the two look alike. Pieces of one crystal have their spots
    at the same places, a crystal on another has some where the other has none.
    """
    means, left = crystal_similarity(found.means), crystal_similarity(found.spots)
    mixed = alone_nowhere(found.bragg, -(-PUREST // probes_per_row))
    asked = mixed[:, None] | mixed
    two = (asked & (left < UNLIKE_LEFT)) | ((left < UNLIKE_FOREIGN) & (_foreign(found) > FOREIGN))
    alike = np.where(two, np.minimum(means, left), np.where(asked, means + PERHAPS, means))
    return np.where(turned_apart(found.means, beam, gain=PUREST_GAIN), 0, alike)


def _foreign(found: Purified) -> FloatArray:
    """Share of its counts that the lesser of two has where the other has no spots, (n, n), symmetric."""
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - slow import

    images = shrink(found.means)
    own = images / np.maximum(images.sum(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    away = ~binary_dilation(images > 0, np.ones((1, 3, 3), dtype=bool))
    share = np.tensordot(own, away.astype(own.dtype), axes=((1, 2), (1, 2)))
    counts = found.bragg.sum(axis=0)
    return np.asarray(np.where(counts[:, None] <= counts, share, share.T))


def _shows_spots(found: Purified, factored: FactoredMatrix) -> BoolArray:
    """Tell which crystals have spots: more than a few, or a map that noise cannot have."""
    from scipy.ndimage import label  # noqa: PLC0415 - slow import

    number = np.array([label(mean > 0)[1] for mean in found.means])
    steady = autocorrelation(found.bragg, factored.probe_mask, centred=False) > STEADY
    return np.asarray((number >= FEW_SPOTS) | ((number > 0) & steady))


def _merged(found: Purified, together: Sequence[tuple[int, ...]]) -> Purified:
    """Add the Bragg counts of pieces up; the spots are those of the heaviest."""
    heavy = found.bragg.sum(axis=0)
    first = [max(group, key=lambda i: heavy[i]) for group in together]
    members = np.array([np.isin(np.arange(found.n_crystals), group) for group in together], dtype=np.float64)
    return Purified(
        bragg=found.bragg @ members.reshape(-1, found.n_crystals).T,
        spots=found.spots[np.array(first, dtype=np.intp)],
        means=found.means[np.array(first, dtype=np.intp)],
    )


def purified_model(sweep: Sweep, counted: Counted, found: Purified, *, beam: Beam | None) -> Model:
    """Take a small factorization in which every crystal has a component of its own.

    Parameters
    ----------
    sweep : Sweep
    counted : Counted
    found : Purified
    beam : Beam or None

    Returns
    -------
    Model
        The smallest k of the sweep with a component more than crystals in which the components that stand for
        crystals are like them; the one where they are the most if there is none. One more k is fitted to the data
        if the sweep has too few components.
    """
    fewest = found.n_crystals + (SPARE if found.n_crystals else 0)
    if fewest > sweep.ks[-1] and sweep.refit is not None:
        sweep = replace(sweep, fits={**sweep.fits, **sweep.refit((fewest,))})
    ks = [k for k in sweep.ks if k >= fewest] or [sweep.ks[-1]]
    best: tuple[float, int, tuple[Group, ...]] | None = None
    for k in ks:
        alike, groups = _assign(sweep, k, found, beam)
        if best is None or alike > best[0]:
            best = (alike, k, groups)
        if alike >= LIKE:
            break
    assert best is not None
    _, k, groups = best
    segments = counted.segments[k] if k in counted.segments else find_segments(sweep.fits[k], beam=beam)
    return Model(sweep=sweep, k=k, linking=SAME_CRYSTAL, segments=segments, groups=groups)


def _assign(sweep: Sweep, k: int, found: Purified, beam: Beam | None) -> tuple[float, tuple[Group, ...]]:
    """Say which components belong to which crystal, and how much the least like of those that stand for one is."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow import

    n = found.n_crystals
    if not n:
        return 1.0, ()
    fit = sweep.fits[k]
    spots = spot_patterns(fit.component_patterns(), fit.pixel_mask, beam)
    alike = crystal_similarity(np.concatenate([spots, found.means]))[:k, k:]
    score = alike * _same_places(sweep, fit, found)
    rows, columns = linear_sum_assignment(score, maximize=True)
    owner: IntArray = np.where(alike.max(axis=1) >= LOOSE, score.argmax(axis=1), -1)
    owner[alike[np.arange(k), owner] < LOOSE] = -1
    owner[fit.dead] = -1
    owner[rows] = columns
    groups = tuple(Group(tuple(np.flatnonzero(owner == i).tolist()), crystal=True) for i in range(n))
    return float(alike[rows, columns].min()), groups


def _same_places(sweep: Sweep, fit: Factorization, found: Purified) -> FloatArray:
    """Cosine between the maps of components and of crystals, (k, n)."""
    assert sweep.factored is not None
    maps = sweep.factored.gather(fit.weights).astype(np.float64)
    lengths = np.outer(np.linalg.norm(maps, axis=0), np.linalg.norm(found.bragg, axis=0))
    return np.asarray(maps.T @ found.bragg / np.maximum(lengths, np.finfo(float).tiny))

"""Why the paper's map differs from ours: one thing at a time is done otherwise, and changed labels are counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from unmix4d.factorize.descent import TOLERANCE, descend
from unmix4d.paper.agreement import agree
from unmix4d.paper.images import ROWS, Images, to_eight_bit
from unmix4d.paper.rule import NO_BACKGROUND, label_probes
from unmix4d.records import AnyArray, Factorization, FloatArray, PatternMatrix
from unmix4d.records.paper import Change, PaperMap

REFIT_SWEEPS = 200
NORMS: Mapping[str, str] = {
    "sum": "components of unit sum, so that weights are counts",
    "largest value": "components with a largest value of 1",
    "length": "components of unit length",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """The final model: components (k, n_pixels), weights (k, scan_y, scan_x), and the map made from them."""

    components: FloatArray
    weights: FloatArray
    map: PaperMap

    def changed(self, reason: str, what: str, labels: AnyArray) -> Change:
        """Count the labels that another way changes."""
        n_changed = int((labels != self.map.labels).sum())
        return Change(reason=reason, what=what, n_changed=n_changed, n_probes=labels.size)


def own_changes(model: Model) -> list[Change]:
    """Change the scale and the order of the components, and switch the rule for the background off."""
    background = model.map.background
    changes = [
        model.changed("scaling", words, label_probes(_rescaled(model, norm), background).labels)
        for norm, words in NORMS.items()
    ]
    last = len(model.weights) - 1
    moved = NO_BACKGROUND if background == NO_BACKGROUND else last - background
    reversed_labels = last - label_probes(model.weights[::-1], moved).labels
    changes.append(model.changed("component order", "components in reversed order", reversed_labels))
    if background != NO_BACKGROUND:
        plain = label_probes(model.weights, NO_BACKGROUND).labels
        changes.append(model.changed("background rule", "the strongest component, background or not", plain))
    return changes


def _rescaled(model: Model, norm: str) -> FloatArray:
    components = model.components.astype(np.float64)
    sizes = {
        "sum": components.sum(axis=1),
        "largest value": components.max(axis=1),
        "length": np.linalg.norm(components, axis=1),
    }
    return np.asarray(model.weights * sizes[norm][:, None, None])


def filter_change(model: Model, matrix: PatternMatrix, images: Images, name: str) -> Change:
    """Fit the same components to patterns after another filter.

    Parameters
    ----------
    model : Model
    matrix : PatternMatrix
        Of every probe and pixel, after the other filter.
    images : Images
        Whose white level is used.
    name : str
        Of the other filter.
    """
    components = np.ascontiguousarray(model.components)
    gram = components @ components.T
    flat = model.weights.reshape(len(components), -1)
    weights = np.empty(flat.shape, dtype=np.float32)
    for rows, block in matrix.blocks():
        grey = to_eight_bit(block, images.white)
        cross = np.concatenate([components @ part.T.astype(np.float32) for part in _parts(grey)], axis=1)
        weights[:, rows] = _refitted(np.ascontiguousarray(flat[:, rows]), gram, cross)
    labels = label_probes(weights.reshape(model.weights.shape), model.map.background).labels
    return model.changed("filter", f"the same components fitted to patterns after the filter {name}", labels)


def _parts(grey: AnyArray) -> Iterator[AnyArray]:
    return (grey[low : low + ROWS] for low in range(0, len(grey), ROWS))


def _refitted(weights: FloatArray, gram: FloatArray, cross: FloatArray) -> FloatArray:
    """Give the least-squares weights of fixed components, from the ones given."""
    improved = weights.astype(np.float32)
    first = 0.0
    for _ in range(REFIT_SWEEPS):
        violation = descend(improved, gram, cross)
        first = first or violation
        if violation <= TOLERANCE * first:
            break
    return improved


def fit_change(model: Model, ours: Factorization) -> Change:
    """Compare with the components of our fit of the same k, labelled by their largest weight, after matching."""
    labels = ours.weight_maps().argmax(axis=0)
    used = ours.probe_mask
    n_changed = agree(model.map.labels[used][None], labels[used][None]).n_differ
    what = f"our fit of k = {ours.k}, weighted and cleaned, labelled by its largest weight in counts"
    return Change(reason="fit", what=what, n_changed=n_changed, n_probes=int(used.sum()))

"""Scans on which plain factorization fails: a strong beam, a high background, a grain of twenty probes."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition import NMF
from sklearn.metrics import adjusted_rand_score

import unmix4d
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.read.phantom.make import Phantom

SIZE = {"scan_shape": (64, 64), "pattern_shape": (64, 64), "n_crystals": 6, "overlap_width": 2.0}
SEEDS = range(10)


def unmix(phantom: Phantom) -> unmix4d.Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unmix4dWarning)  # of a decision that is not sure
        return unmix4d.unmix(phantom.scan)


def agreement(phantom: Phantom, labels: np.ndarray) -> float:
    inside = phantom.labels >= 0
    return float(adjusted_rand_score(phantom.labels[inside], labels[inside]))


def test_a_strong_beam_hides_nothing_from_weighted_factors() -> None:
    spec = PhantomSpec(**SIZE, counts_per_pattern=5000.0, beam_fraction=0.85, background_fraction=0.05)
    phantom = make_phantom(spec)
    counts = np.asarray(phantom.scan.patterns, dtype=np.float32).reshape(64 * 64, -1)
    assert phantom.beam_counts.sum() > 0.8 * counts.sum()
    assert agreement(phantom, unmix(phantom).clusters.labels) >= 0.98

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of iterations that end before it converges
        plain = NMF(6, init="nndsvda", max_iter=200)
        weights = plain.fit_transform(counts) * plain.components_.sum(axis=1)
    assert agreement(phantom, weights.argmax(axis=1).reshape(64, 64)) < 0.5


def test_a_high_background_is_told_from_the_crystals() -> None:
    found = []
    for seed in SEEDS:
        spec = PhantomSpec(
            **SIZE, counts_per_pattern=5000.0, beam_fraction=0.3, background_fraction=0.585, seed=seed
        )
        phantom = make_phantom(spec)
        assert phantom.background_counts.sum() > 5 * phantom.bragg_counts.sum()
        found.append(agreement(phantom, unmix(phantom).clusters.labels))
    assert np.sum(np.array(found) >= 0.95) >= 9, found


def test_a_grain_of_twenty_probes_is_recovered() -> None:
    found = []
    for seed in SEEDS:
        spec = PhantomSpec(
            **SIZE,
            n_minority=1,
            minority_probes=(20, 20),
            counts_per_pattern=1000.0,
            beam_fraction=0.4,
            background_fraction=0.2,
            seed=seed,
        )
        phantom = make_phantom(spec)
        assert phantom.bragg_counts[phantom.labels >= 0].mean() == pytest.approx(400, rel=0.1)
        grain = phantom.labels == spec.n_crystals - 1
        assert grain.sum() == 20
        labels = unmix(phantom).clusters.labels
        of_crystals = [labels == crystal for crystal in range(labels.max() + 1)]
        found.append(max((grain & own).sum() / (grain | own).sum() for own in of_crystals))
    assert np.sum(np.array(found) >= 0.5) >= 8, found

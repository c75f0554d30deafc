"""Answers of filters, made by hand."""

import numpy as np
import pytest

from unmix4d.maps.overlap import overlap_map
from unmix4d.records import ClusterMap, ComponentRoles, Decision, FilterAnswer


def answer_of(
    name="raw", *, weights=None, refitted=None, labels=None, confidence="high", explained=1.0
) -> FilterAnswer:
    weights = np.ones((2, 3, 4), dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    refitted = weights if refitted is None else np.asarray(refitted, dtype=np.float32)
    n = len(weights)
    labels = weights.argmax(axis=0).astype(np.int16) if labels is None else labels
    patterns = np.zeros((n, 4, 4), dtype=np.float32)
    roles = ComponentRoles(
        roles=("crystal",) * n,
        crystals=np.arange(n, dtype=np.int16),
        spot_patterns=patterns,
        similarity=np.eye(n),
    )
    return FilterAnswer(
        name=name,
        decision=Decision(k=n, n_crystals=n, k_low=1, k_high=n, confidence=confidence, reason="because"),
        clusters=ClusterMap(labels=labels, roles=roles, crystal_patterns=patterns, crystal_weights=weights),
        overlap=overlap_map(weights, labels),
        refitted=overlap_map(refitted, labels),
        classes=np.arange(n, dtype=np.int16),
        iou=np.ones(n),
        mean_patterns=patterns.astype(np.float64),
        noise={},
        losses={},
        start_losses={},
        explained=explained,
    )


@pytest.fixture(scope="session")
def make_answer():
    return answer_of

"""What each operation does, by the cases that the explorer must answer alike (tests/browser/test_edit_cases.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from unmix4d.edit.file import parse_edits
from unmix4d.edit.replay import replay
from unmix4d.errors import InputError
from unmix4d.maps.overlap import overlap_map
from unmix4d.records import ClusterMap, ComponentRoles
from unmix4d.report.looks import color_of

CASES = Path(__file__).parents[2] / "edits" / "cases.json"


def base_clusters(base):
    weights = np.array(base["weights"], np.float32)
    mask = np.ones(base["shape"], bool)
    mask[tuple(np.transpose(base["masked"]))] = False
    labels = np.where(mask, weights.argmax(axis=0), -1).astype(np.int16)
    k = len(base["crystals"])
    roles = ComponentRoles(
        roles=tuple(base["roles"]),
        crystals=np.array(base["crystals"], np.int16),
        spot_patterns=np.zeros((k, 2, 2), np.float32),
        similarity=np.eye(k),
    )
    patterns = np.arange(1, 1 + 4 * len(weights), dtype=np.float32).reshape(-1, 2, 2)
    patterns /= patterns.sum(axis=(1, 2), keepdims=True)
    found = ClusterMap(labels=labels, roles=roles, crystal_patterns=patterns, crystal_weights=weights)
    return found, mask


def drawn(clusters, indices):
    """A map as rows of the numbers of crystals; "." = none."""
    return ["".join("." if i < 0 else str(clusters.number(i)) for i in row) for row in indices.tolist()]


def told(clusters):
    overlap = overlap_map(clusters.crystal_weights, clusters.labels)
    every = range(clusters.n_crystals)
    return {
        "labels": drawn(clusters, clusters.labels),
        "second": drawn(clusters, overlap.second),
        "ratio": [round(float(value), 4) for value in overlap.ratio[0]],
        "numbers": [clusters.number(i) for i in every],
        "names": [clusters.name(i) for i in every],
        "colors": [color_of(clusters, i) for i in every],
        "members": [clusters.members(i) for i in every],
        "crystals": [clusters.number(int(i)) for i in clusters.roles.crystals],
        "roles": list(clusters.roles.roles),
    }


def as_file(edits):
    return parse_edits(f'version: 1\nrun: {{"labels": "x"}}\nedits: {json.dumps(edits)}').operations


KNOWN = json.loads(CASES.read_text(encoding="utf-8")) if CASES.exists() else {"cases": {}, "refused": {}}


@pytest.mark.parametrize("name", KNOWN["cases"])
def test_the_cases_that_both_languages_answer_alike(name):
    case = KNOWN["cases"][name]
    found = told(replay(*base_clusters(KNOWN["base"]), as_file(case["edits"])))
    assert found == {key: value for key, value in case.items() if key != "edits"}


@pytest.mark.parametrize("name", KNOWN["refused"])
def test_what_cannot_be_done_is_said(name):
    edits = KNOWN["refused"][name]
    with pytest.raises(InputError, match=rf"^edit {len(edits)} \({edits[-1]['do']}\) cannot be done: "):
        replay(*base_clusters(KNOWN["base"]), as_file(edits))

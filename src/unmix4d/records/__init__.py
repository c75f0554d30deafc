"""The value objects in which the stages meet: frozen, shapes checked once, never written to."""

from unmix4d.records.answers import (
    ClusterComparison,
    ClusterMap,
    ComponentRoles,
    CriterionCurve,
    CrystalLook,
    Crystals,
    Decision,
    OverlapMap,
    PairwiseScores,
    Purified,
)
from unmix4d.records.base import (
    NO_CRYSTAL,
    OVERLAP_THRESHOLDS,
    AnyArray,
    Better,
    BoolArray,
    Confidence,
    FloatArray,
    IntArray,
    PatternArray,
    Role,
)
from unmix4d.records.edits import EDIT_KEYS, Edit, Edits
from unmix4d.records.factors import FactoredMatrix, Factorization, Sweep
from unmix4d.records.measured import Beam, CleaningStep, Geometry, PatternMatrix, Scan, Survey
from unmix4d.records.paper import Agreement, Change, PaperAnswer, PaperMap, PaperScores
from unmix4d.records.runs import RunRecord, RunResult, StageCost
from unmix4d.records.spots import DIRECT_BEAM, DOUBTFUL_BEAM, KEPT_AT_PIXEL, SpotTable

__all__ = [
    "DIRECT_BEAM",
    "DOUBTFUL_BEAM",
    "EDIT_KEYS",
    "KEPT_AT_PIXEL",
    "NO_CRYSTAL",
    "OVERLAP_THRESHOLDS",
    "Agreement",
    "AnyArray",
    "Beam",
    "Better",
    "BoolArray",
    "Change",
    "CleaningStep",
    "ClusterComparison",
    "ClusterMap",
    "ComponentRoles",
    "Confidence",
    "CriterionCurve",
    "CrystalLook",
    "Crystals",
    "Decision",
    "Edit",
    "Edits",
    "FactoredMatrix",
    "Factorization",
    "FloatArray",
    "Geometry",
    "IntArray",
    "OverlapMap",
    "PairwiseScores",
    "PaperAnswer",
    "PaperMap",
    "PaperScores",
    "PatternArray",
    "PatternMatrix",
    "Purified",
    "Role",
    "RunRecord",
    "RunResult",
    "Scan",
    "SpotTable",
    "StageCost",
    "Survey",
    "Sweep",
]

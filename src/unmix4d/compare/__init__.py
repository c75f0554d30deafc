"""How well each cluster stands for the measured patterns (method, section 7)."""

from unmix4d.compare.clusters import compare_clusters
from unmix4d.compare.regroup import regroup_comparison

__all__ = ["compare_clusters", "regroup_comparison"]

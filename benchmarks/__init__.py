"""Benchmarks: unmix4d beside the programs that do the same work. See docs/performance.md."""

import os

# Before NumPy is loaded: every library of a cell keeps to one thread.
for _name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "VECLIB_MAXIMUM"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"

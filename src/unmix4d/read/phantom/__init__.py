"""Scans that are made up, with everything known about them: components, fractions, labels and overlap."""

from unmix4d.read.phantom.make import Draw, Phantom, make_phantom, poisson_counts
from unmix4d.read.phantom.spec import PhantomSpec

__all__ = ["Draw", "Phantom", "PhantomSpec", "make_phantom", "poisson_counts"]

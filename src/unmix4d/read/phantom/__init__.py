"""Scans that are made up, with everything known about them: components, fractions, labels and overlap."""

from unmix4d.read.phantom.make import Phantom, make_phantom
from unmix4d.read.phantom.spec import PhantomSpec

__all__ = ["Phantom", "PhantomSpec", "make_phantom"]

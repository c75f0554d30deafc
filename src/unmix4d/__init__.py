"""unmix4d: how many crystals a 4D-STEM scan holds, where they are and where they overlap."""

__version__ = "0.1.0"

"""Scans as files of other programs, block by block."""

"""Figures, tables, files and the report."""

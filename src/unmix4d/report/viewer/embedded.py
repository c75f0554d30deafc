"""A run inside a page: its parts compressed and in base64, its manifest as JSON that no markup can end."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from unmix4d.records import RunResult
from unmix4d.report.viewer.book import book_within


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """``manifest`` for a script element of type application/json, and ``parts`` in base64."""

    manifest: str
    parts: Mapping[str, str]


def embed(result: RunResult, *, most_bytes: int) -> Embedded:
    """Write a run for the explorer into a page.

    Parameters
    ----------
    result : RunResult
    most_bytes : int
        What all parts may take, compressed, before base64 makes them a third longer. Less detail is handed on where
        more would not fit.
    """
    book, parts = book_within(result, most_bytes)
    edits = () if result.edits is None else result.edits.operations
    manifest = {**book.manifest(), "edits": [edit.plain for edit in edits]}
    told = json.dumps(manifest, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return Embedded(
        manifest=told, parts={name: b64encode(packed).decode("ascii") for name, packed in parts.items()}
    )

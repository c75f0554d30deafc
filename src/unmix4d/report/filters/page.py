"""The page of a comparison of filters: one file, nothing loaded from elsewhere."""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from unmix4d.records import FilterComparison
from unmix4d.report.files import written_whole
from unmix4d.report.filters import tables
from unmix4d.report.filters.figures import CAPTIONS, FIGURES
from unmix4d.report.html import Picture, picture_of, template_of

TEMPLATE = "filters.html.j2"
CONTENTS = {
    "answers": "What each filter finds",
    "noise": "Patterns and noise",
    "losses": "Losses and starts",
    "overlap": "Overlap",
    "recommendation": "Recommendation",
    "provenance": "Settings and provenance",
}


def write_page(comparison: FilterComparison, path: Path) -> None:
    """Write the page beside its final name and rename it when it is complete.

    Raises
    ------
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    page = render_page(comparison)
    with written_whole(path) as part:
        part.write_text(page, encoding="utf-8")


def render_page(comparison: FilterComparison) -> str:
    """Render the comparison as one self-contained HTML page; all text is escaped, pictures are PNG data URIs."""
    return template_of(TEMPLATE).render(
        comparison=comparison,
        contents=CONTENTS,
        tables=tables,
        picture=_Pictures(comparison),
        source=PurePath(comparison.source).name or comparison.source,
        warnings=_warnings(comparison),
        facts_of=_facts(comparison),
        settings={name: _shown(value) for name, value in comparison.settings.items()},
    )


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Draws a figure when the template asks for it."""

    comparison: FilterComparison

    def __call__(self, name: str) -> Picture:
        known = {"n": len(self.comparison.answers), "reference": self.comparison.reference}
        caption = CAPTIONS[name]
        return picture_of(
            FIGURES[name](self.comparison), alt=caption.alt.format(**known), words=caption.words.format(**known)
        )


def _warnings(comparison: FilterComparison) -> list[str]:
    """Give every warning once, with the filters that gave it unless all did."""
    by_words: dict[str, list[str]] = {}
    for answer in comparison.answers:
        for words in answer.warnings:
            by_words.setdefault(words, []).append(answer.name)
    n = len(comparison.answers)
    return [words if len(names) == n else f"{', '.join(names)}: {words}" for words, names in by_words.items()]


def _facts(comparison: FilterComparison) -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    return {
        "scan": comparison.source,
        "digest": comparison.source_digest,
        "started": comparison.started,
        "matched to": comparison.reference,
        "versions": versions,
    }


def _shown(value: Any) -> str:  # noqa: ANN401 - settings by name
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

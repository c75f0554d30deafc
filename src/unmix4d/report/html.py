"""One HTML file that can be mailed: figures, tables and provenance, nothing loaded from elsewhere."""

from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from unmix4d.records import RunResult
from unmix4d.report import paper_sections, sections
from unmix4d.report.captions import CAPTIONS
from unmix4d.report.figures import FIGURES, PAPER_FIGURES
from unmix4d.report.files import written_whole

TEMPLATE = "report.html.j2"
DPI = 150
CSS_PIXELS_PER_INCH = 100

CONTENTS = {
    "answer": "Answer",
    "clusters": "Clusters and patterns",
    "decision": "How k was chosen",
    "components": "Components and weights",
    "overlap": "Overlap",
    "comparison": "Comparison with the data",
    "survey": "What was measured",
    "provenance": "Settings and provenance",
}

PAPER = {"paper": "The paper's procedure"}
BEFORE_PAPER = "comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure as the template shows it: a data URI, its size in CSS pixels, and what is said about it."""

    uri: str
    width: int
    height: int
    alt: str
    words: str


def write_report(result: RunResult, path: Path) -> None:
    """Write the report beside its final name and rename it when it is complete.

    Parameters
    ----------
    result : RunResult
    path : Path

    Raises
    ------
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    page = render_report(result)
    with written_whole(path) as part:
        part.write_text(page, encoding="utf-8")


def render_report(result: RunResult) -> str:
    """Render the report as one self-contained HTML page.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
        HTML, to be written as UTF-8. All text is escaped; pictures are PNG data URIs.
    """
    # Autoescape: names of files and settings come from outside.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("unmix4d.report").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        result=result,
        contents=_contents(result),
        sections=sections,
        paper=paper_sections,
        picture=partial(_picture, result),
        confidence=sections.CONFIDENCE[result.decision.confidence],
    )


def _contents(result: RunResult) -> dict[str, str]:
    """Give the sections that a run's report has."""
    if result.paper is None:
        return CONTENTS
    names = list(CONTENTS)
    place = names.index(BEFORE_PAPER) + 1
    return {name: {**CONTENTS, **PAPER}[name] for name in (*names[:place], *PAPER, *names[place:])}


def _picture(result: RunResult, name: str) -> Picture:
    figure = (FIGURES.get(name) or PAPER_FIGURES[name])(result)
    known = {"n": result.clusters.n_crystals, "k": result.decision.k}
    if result.paper is not None:
        known["paper_k"] = result.paper.k
    width, height = figure.get_size_inches()
    return Picture(
        uri=_data_uri(figure),
        width=round(width * CSS_PIXELS_PER_INCH),
        height=round(height * CSS_PIXELS_PER_INCH),
        alt=CAPTIONS[name].alt.format(**known),
        words=CAPTIONS[name].words.format(**known),
    )


def _data_uri(figure: Figure) -> str:
    image = BytesIO()
    # Without the name of the software the same run gives the same bytes.
    figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
    return "data:image/png;base64," + b64encode(image.getvalue()).decode("ascii")

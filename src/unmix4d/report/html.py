"""One HTML file that can be mailed: figures, tables, provenance and the explorer, nothing loaded from elsewhere."""

from base64 import b64encode
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from matplotlib.figure import Figure
from PIL import Image

from unmix4d.records import RunResult
from unmix4d.report import mixing_sections, paper_sections, sections, spots
from unmix4d.report.captions import CAPTIONS
from unmix4d.report.figures import figures_of
from unmix4d.report.files import written_whole
from unmix4d.report.viewer import script
from unmix4d.report.viewer.embedded import Embedded, embed

TEMPLATE = "report.html.j2"
DPI = 150
CSS_PIXELS_PER_INCH = 100
WANTED_BYTES = 4_800_000
"""What a report of a scan of 128 x 128 probes takes at most if its figures leave room; more for more probes."""

MOST_BYTES = 12_000_000
USUAL_PROBES = 128**2

LARGE_BYTES = 250_000
"""A larger figure is shown with 256 colours; the folder of figures has all of them."""

LEAST_EXPLORER_BYTES = 1_000_000
BASE64 = 4 / 3

CONTENTS = {
    "answer": "Answer",
    "explore": "Explore",
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
    page = _Page(result)
    return template_of(TEMPLATE).render(
        result=result,
        contents=_contents(result),
        sections=sections,
        paper=paper_sections,
        mixing=mixing_sections,
        spots=spots,
        picture=page.picture,
        viewer=page,
        confidence=sections.CONFIDENCE[result.decision.confidence],
    )


def template_of(name: str) -> Template:
    """Give a template of this folder."""
    # Autoescape: names of files and settings come from outside.
    environment = Environment(
        loader=PackageLoader("unmix4d", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _contents(result: RunResult) -> dict[str, str]:
    """Give the sections that a run's report has."""
    if result.paper is None:
        return CONTENTS
    names = list(CONTENTS)
    place = names.index(BEFORE_PAPER) + 1
    return {name: {**CONTENTS, **PAPER}[name] for name in (*names[:place], *PAPER, *names[place:])}


@dataclass(slots=True)
class _Page:
    """What the template asks for; the explorer, which comes last, takes what room the pictures leave."""

    result: RunResult
    spent: int = field(default=0, init=False)

    def picture(self, name: str) -> Picture:
        """Draw a figure."""
        figure = figures_of(self.result)[name](self.result)
        known = {"n": self.result.clusters.n_crystals, "k": self.result.decision.k}
        if self.result.paper is not None:
            known["paper_k"] = self.result.paper.k
        shown = picture_of(
            figure, alt=CAPTIONS[name].alt.format(**known), words=CAPTIONS[name].words.format(**known)
        )
        self.spent += len(shown.uri)
        return shown

    def embedded(self) -> Embedded:
        """Give the run for the explorer, as much of it as there is room for."""
        share = max(1.0, self.result.geometry.n_probes / USUAL_PROBES)
        room = min(WANTED_BYTES * share, MOST_BYTES) - self.spent - len(self.script()) - len(self.style())
        return embed(self.result, most_bytes=int(max(room, LEAST_EXPLORER_BYTES) / BASE64))

    def script(self) -> str:
        """Give the script of the explorer."""
        return script.script()

    def style(self) -> str:
        """Give its style sheet."""
        return script.style()


def picture_of(figure: Figure, *, alt: str, words: str) -> Picture:
    """Give a figure as a page shows it."""
    width, height = figure.get_size_inches()
    return Picture(
        uri=_data_uri(figure),
        width=round(width * CSS_PIXELS_PER_INCH),
        height=round(height * CSS_PIXELS_PER_INCH),
        alt=alt,
        words=words,
    )


def _data_uri(figure: Figure) -> str:
    image = BytesIO()
    # Without the name of the software the same run gives the same bytes.
    figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
    data = image.getvalue()
    if len(data) > LARGE_BYTES:
        data = _with_palette(data)
    return "data:image/png;base64," + b64encode(data).decode("ascii")


def _with_palette(png: bytes) -> bytes:
    """Keep the 256 colours that cover a picture best: less than half the bytes, no colour off by more than 1/16."""
    image = BytesIO()
    colors = (
        Image.open(BytesIO(png)).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    colors.save(image, "png", optimize=True)
    return image.getvalue()

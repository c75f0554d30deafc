"""The report: one file that stands alone, says the answer, and cannot be broken by what a file is called."""

import base64
import gzip
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from unmix4d.errors import ResourceError
from unmix4d.records import CriterionCurve
from unmix4d.report import sections
from unmix4d.report.captions import CAPTIONS
from unmix4d.report.figures import FIGURES, PAPER_FIGURES, SPOT_FIGURES
from unmix4d.report.html import CONTENTS, _with_palette, render_report, write_report
from unmix4d.report.sheet import message_figure
from unmix4d.report.viewer.arrays import unpack

VOID = {"meta", "img", "br", "hr", "input", "link"}
HOSTILE = "/data/<script>alert(1)</script>&amp; \"quoted\" 'file'.hspy"


class Page(HTMLParser):
    """What a page holds; refuses tags that are not closed in order."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(source)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture(scope="module")
def source(result):
    return render_report(result)


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


@pytest.fixture
def sketches(monkeypatch):
    """Draw every figure as a small note, for tests that only read the words."""
    notes = dict.fromkeys(FIGURES, lambda _: message_figure("a sketch"))
    monkeypatch.setattr("unmix4d.report.figures.FIGURES", notes)


def test_every_entry_of_the_contents_leads_to_a_section_once(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [attributes["href"] for attributes in page.all("a")]
    assert links == [f"#{section}" for section in CONTENTS]
    assert set(CONTENTS) <= set(ids)


def test_nothing_is_loaded_from_elsewhere(source, page):
    own = re.sub(r"base64,[A-Za-z0-9+/=]+|<script type=.text/plain.*?</script>", "", source)
    own = own.replace('xmlns="http://www.w3.org/2000/svg"', "")  # the name of a format, not an address
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)|\bfrom \"", own)
    assert all("src" not in attributes for attributes in page.all("script"))
    assert not page.all("link")
    assert {image["src"].partition(",")[0] for image in page.all("img")} == {"data:image/png;base64"}


def test_every_figure_is_shown_with_words_for_those_who_do_not_see_it(page):
    images = page.all("img")
    assert len(images) == len(FIGURES)
    assert all(len(image["alt"]) > 20 for image in images)
    assert not any("{" in image["alt"] for image in images)
    assert {f"figure-{name}" for name in FIGURES} == {f["id"] for f in page.all("figure")}
    assert set(CAPTIONS) == {*FIGURES, *PAPER_FIGURES, *SPOT_FIGURES}


def test_pictures_are_pngs_of_the_size_that_the_page_keeps_free(page):
    for image in page.all("img"):
        data = base64.b64decode(image["src"].partition(",")[2])
        assert data.startswith(b"\x89PNG")
        width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
        assert int(image["width"]) <= 1000
        assert width / height == pytest.approx(int(image["width"]) / int(image["height"]), rel=0.02)


def test_a_large_picture_keeps_the_colours_that_cover_it_best():
    rng = np.random.default_rng(0)
    noise = colormaps["magma"](rng.random((300, 300)))[..., :3]
    picture = np.round(255 * np.where(np.arange(300)[:, None, None] < 200, noise, 1.0)).astype(np.uint8)
    before = io.BytesIO()
    Image.fromarray(picture).save(before, "png")
    after = _with_palette(before.getvalue())
    assert len(after) < len(before.getvalue()) / 2
    shown = np.asarray(Image.open(io.BytesIO(after)).convert("RGB")).astype(int)
    assert np.abs(shown - picture).max() <= 16
    assert (shown[200:] == 255).all(), "white stays white"


def test_it_can_be_mailed(source):
    assert len(source.encode()) < 5e6


@pytest.mark.usefixtures("sketches")
def test_the_run_stands_in_the_page_for_the_explorer(result):
    source = render_report(result)
    parts = dict(re.findall(r'<script type="[a-z/]+" data-part="(\w+)">(.*?)</script>', source, re.DOTALL))
    manifest = json.loads(parts.pop("manifest"))
    assert manifest["decision"]["k"] == result.decision.k
    arrays = unpack(gzip.decompress(base64.b64decode(parts["maps"])))
    np.testing.assert_array_equal(arrays["labels"], result.clusters.labels)
    assert f"k{result.decision.k}" in parts


def test_the_answer_comes_first(result, page):
    decision = result.decision
    start = page.text.split(CONTENTS["clusters"])[2]
    assert f"{decision.n_crystals} crystals" in page.text[:200]
    assert f"confidence: {decision.confidence}" in page.text
    assert decision.reason in page.text
    assert page.text.index(f"k = {decision.k} component") < page.text.index(start)


def test_numbers_of_the_tables_are_on_the_page(result, page):
    for crystal, count in enumerate(result.clusters.counts):
        assert f"{crystal} " in page.text
        assert f"{count:,}" in page.text
    assert f"{result.comparison.metrics['psnr'][0]:.1f}" in page.text
    assert result.record.source_digest in page.text
    for name in result.record.versions:
        assert name in page.text
    for cost in result.record.costs:
        assert f"{cost.stage} {cost.seconds:.2f}" in page.text
    for setting in result.record.settings:
        assert setting in page.text


def test_the_table_says_what_the_baselines_are_for(page):
    assert "null baselines" in page.text
    assert "PSNR and SSIM near their best values" in page.text


def test_light_dark_and_paper(source):
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source
    assert ".card { background: #ffffff" in source


@pytest.mark.usefixtures("sketches")
def test_nothing_from_outside_is_taken_for_html(result):
    record = replace(result.record, source=HOSTILE, settings={"<b>": "<i>x</i>"}, warnings=("5 < 6 & 7 > 2",))
    decision = replace(result.decision, reason="because <em>k</em> & more", warnings=("<u>mind</u>",))
    page = Page(render_report(replace(result, record=record, decision=decision)))
    assert not {"b", "i", "em", "u"} & {tag for tag, _ in page.tags}
    assert all(attributes.get("type") for attributes in page.all("script")), "ours have a type"
    for words in (HOSTILE, "<i>x</i>", "5 < 6 & 7 > 2", "because <em>k</em> & more", "<u>mind</u>"):
        assert words in page.text


@pytest.mark.usefixtures("sketches")
def test_warnings_stand_out_and_none_is_said_twice(result):
    record = replace(result.record, warnings=("mind the step", "mind the gap"))
    decision = replace(result.decision, warnings=("mind the gap",))
    survey = replace(result.survey, warnings=("mind the beam",))
    changed = replace(result, record=record, decision=decision, survey=survey)
    page = Page(render_report(changed))
    assert page.text.count("mind the gap") == 1
    assert sections.warnings_of(changed) == ["mind the step", "mind the gap", "mind the beam"]
    assert any(attributes.get("class") == "warnings" for attributes in page.all("div"))


@pytest.mark.usefixtures("sketches")
def test_without_warnings_there_is_no_box_for_them(result):
    clean = replace(
        result,
        record=replace(result.record, warnings=()),
        decision=replace(result.decision, warnings=()),
        survey=replace(result.survey, warnings=()),
    )
    page = Page(render_report(clean))
    assert not any(attributes.get("class") == "warnings" for attributes in page.all("div"))


@pytest.mark.usefixtures("sketches")
@pytest.mark.parametrize("confidence", ["high", "medium", "low"])
def test_the_confidence_is_said_in_words_and_not_by_colour_alone(result, confidence):
    page = Page(render_report(replace(result, decision=replace(result.decision, confidence=confidence))))
    assert f"confidence: {confidence}" in page.text
    assert sections.CONFIDENCE[confidence] in page.text


def test_a_run_without_crystals_says_so(result, without_crystals):
    changed = replace(without_crystals(result), survey=replace(result.survey, beam=None))
    page = Page(render_report(changed))
    assert "No crystal" in page.text[:200]
    assert "No two crystals overlap" in page.text
    assert "direct beam not found" in page.text


def test_missing_numbers_are_dashes(result):
    curve = CriterionCurve(name="nearest_ssim", better="higher", ks=(2,), values=(float("nan"),))
    geometry = replace(result.geometry, scan_step_nm=None, pattern_step_inv_angstrom=None)
    decision = replace(result.decision, curves=(curve,), pairwise={}, votes={}, roles={})
    page = Page(render_report(replace(result, geometry=geometry, decision=decision)))
    assert [words.strip() for words in page.words].count("nan") == 1, "the setting of that name"
    assert "step unknown" in page.text
    assert sections.NOTHING in page.text


def test_pairs_are_sorted_by_how_much_they_overlap(result):
    shape = result.geometry.scan_shape
    ratio, level = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int8)
    first, second = np.zeros((2, *shape), dtype=np.int16)
    ratio[0, :5], level[0, :5] = 0.8125, 2
    first[0, :5], second[0, :5] = [0, 1, 2, 1, 2], [1, 2, 1, 2, 1]
    shown = sections.pairs_shown(
        replace(result, overlap=replace(result.overlap, ratio=ratio, level=level, first=first, second=second))
    )
    assert shown.header == ("crystal", "crystal", "≥ 0.75", "≥ 0.80", "≥ 0.85", "≥ 0.90", "≥ 0.95", "mean ratio")
    assert [[cell.words for cell in row] for row in shown.rows] == [
        ["1", "2", "4", "4", "0", "0", "0", "0.812"],
        ["0", "1", "1", "1", "0", "0", "0", "0.812"],
    ]


def test_the_chosen_k_is_marked(result, page):
    shown = sections.decision_shown(result)
    assert shown.rows[shown.marked][0].words == str(result.decision.k)
    counts = sections.counts_shown(result)
    assert counts.rows[counts.marked][0].words == str(result.decision.n_crystals)
    assert page.all("tr").count({"class": "marked"}) == 2


def test_metrics_name_their_unit_and_direction(result):
    assert [words for words, _ in sections.comparison_shown(result).groups] == [
        "",
        "against raw data",
    ]
    assert sections.comparison_shown(result).header[2:] == ("PSNR (dB) ↑", "SSIM ↑", "GMSD ↓", "MDSI ↓")


def test_it_is_written_whole_under_its_name_and_always_the_same(result, source, tmp_path):
    path = tmp_path / "report.html"
    write_report(result, path)
    assert path.read_text(encoding="utf-8") == source
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("sketches")
def test_a_place_that_cannot_be_written_is_told_in_one_sentence(result, tmp_path):
    with pytest.raises(ResourceError, match=r"report\.html could not be written"):
        write_report(result, tmp_path / "missing" / "report.html")
    assert list(tmp_path.iterdir()) == []

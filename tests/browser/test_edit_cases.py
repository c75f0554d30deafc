"""Edits in the explorer give what they give in Python (tests/unit/edit/test_replay.py): the same cases."""

import json
from pathlib import Path

import pytest

from unmix4d.edit.file import edits_text, parse_edits
from unmix4d.records import Edits
from unmix4d.report.palette import crystal_color
from unmix4d.report.viewer import script

KNOWN = json.loads((Path(__file__).parents[1] / "edits" / "cases.json").read_text(encoding="utf-8"))

TOLD = """([base, palette, edits]) => {
  const [height, width] = base.shape;
  const weights = base.weights.map((map) => Float32Array.from(map.flat()));
  const probes = new Uint8Array(height * width).fill(1);
  for (const [y, x] of base.masked) probes[y * width + x] = 0;
  const found = strongest(weights, probes);
  try {
    edits.forEach(checkEdit);
    const bench = new Bench({ ...base, ...found, weights, probes }, (number) => palette[number]).replay(edits);
    const view = bench.view();
    const number = (i) => (i < 0 ? -1 : view.numbers[i]);
    const drawn = (map) => Array.from({ length: height }, (_, y) =>
      [...map.subarray(y * width, (y + 1) * width)].map((i) => (i < 0 ? "." : number(i))).join(""));
    return {
      labels: drawn(view.labels), second: drawn(view.second), ratio: [...view.ratio.subarray(0, width)],
      numbers: view.numbers, names: view.names, colors: view.colors, members: view.members,
      crystals: view.crystals.map(number), roles: view.roles,
    };
  } catch (error) {
    return error.message;
  }
}"""


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    body = script.script() + "\nObject.assign(window, { Bench, checkEdit, readEdits, strongest, writeEdits });"
    page.add_script_tag(content=body, type="module")
    page.wait_for_function("() => Boolean(window.Bench)")
    yield page
    page.close()


def ask(page, edits):
    return page.evaluate(TOLD, [KNOWN["base"], [crystal_color(i) for i in range(24)], edits])


@pytest.mark.parametrize("name", KNOWN["cases"])
def test_the_cases_that_both_languages_answer_alike(page, name):
    case = dict(KNOWN["cases"][name])
    found = ask(page, case.pop("edits"))
    assert found.pop("ratio") == pytest.approx(case.pop("ratio"), abs=1e-4)
    assert found == case


@pytest.mark.parametrize("name", KNOWN["refused"])
def test_what_cannot_be_done_is_said(page, name):
    edits = KNOWN["refused"][name]
    assert ask(page, edits).startswith(f"edit {len(edits)} ({edits[-1]['do']}) cannot be done: ")


@pytest.mark.parametrize("edit", KNOWN["malformed"], ids=json.dumps)
def test_what_is_not_as_it_should_be_is_said(page, edit):
    words = ask(page, [edit])
    assert isinstance(words, str)
    assert "cannot be done" not in words, "found before it is tried"


RUN = {"source": 'a "scan" – µ.npy', "k": 3, "n_crystals": 3, "labels": "f" * 64}


@pytest.mark.parametrize("name", KNOWN["cases"])
def test_both_write_the_same_file_and_read_it(page, name):
    edits = KNOWN["cases"][name]["edits"]
    written = page.evaluate("([run, edits]) => writeEdits(run, edits)", [RUN, edits])
    parsed = parse_edits(written)
    assert [edit.plain for edit in parsed.operations] == edits
    ours = edits_text(Edits(run=RUN, operations=parsed.operations))
    assert page.evaluate("([text, run]) => readEdits(text, run)", [ours, RUN]) == edits
    assert [json.loads(line[2:]) for line in written.splitlines() if line.startswith("- ")] == edits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no file of edits"),
        ("version: 2\nrun: {}\nedits: []", "version 2; this page reads up to 1"),
        ('version: 1\nrun: {"labels": "0", "source": "b.npy", "k": 4}\nedits: []', "another run (of b.npy, k = 4)"),
        (f"version: 1\nrun: {json.dumps(RUN)}\nedits:\n- do: rename", "one operation on each line"),
        (
            f'version: 1\nrun: {json.dumps(RUN)}\nedits:\n- {{"do": "split"}}',
            "edit 1: split takes crystal and least",
        ),
        (f"version: 1\nrun: {json.dumps(RUN)}\nedits: 7", "must be a list"),
    ],
)
def test_a_file_that_is_not_as_it_should_be(page, text, words):
    said = page.evaluate(
        "([text, run]) => { try { return readEdits(text, run); } catch (error) { return error.message; } }",
        [text, RUN],
    )
    assert words in said

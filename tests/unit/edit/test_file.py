"""The file of edits: written, read back, and refused in a sentence that says where and why."""

import json

import pytest

from unmix4d.edit.file import edits_text, parse_edits, read_edits, save_edits
from unmix4d.errors import InputError, ResourceError, UsageError
from unmix4d.records import Edit, Edits

RUN = {"source": "scan.npy", "k": 3, "n_crystals": 3, "labels": "f" * 64}
EDITS = Edits(
    run=RUN,
    operations=(
        Edit(do="rename", crystals=(0,), name='a: "b" # é 中 - 🙂'),
        Edit(do="recolor", crystals=(1,), color="#0a0b0c"),
        Edit(do="merge", crystals=(2, 0, 1)),
        Edit(do="mark", crystals=(2,), role="vacuum"),
        Edit(do="split", crystals=(2,), least=9),
    ),
)


def text_of(edits, run=RUN, version="1"):
    return f"version: {version}\nrun: {json.dumps(run)}\nedits: {edits}\n"


def test_it_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "edits.yaml"
    save_edits(EDITS, path)
    assert read_edits(path) == EDITS
    assert [p.name for p in tmp_path.iterdir()] == ["edits.yaml"]
    assert parse_edits(edits_text(Edits(run=RUN))).operations == ()


def test_yaml_that_a_person_wrote_is_read_too():
    text = text_of("\n- do: rename\n  crystal: 1\n  name: Ferrite\n- {do: merge, crystals: [0, 2]}")
    assert parse_edits(text).operations == (
        Edit(do="rename", crystals=(1,), name="Ferrite"),
        Edit(do="merge", crystals=(0, 2)),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must hold version, run and edits"),
        ("just words", "must hold version, run and edits"),
        ("a: [", "is not valid YAML"),
        ("version: 1\nedits: []", "must hold version, run and edits"),
        (text_of("[]") + "more: 1", "must hold version, run and edits"),
        (text_of("[]", version="2"), "has version 2; this unmix4d reads up to 1: update it"),
        (text_of("[]", version="true"), "version must be a whole number"),
        (text_of("[]", run={}), "run must say which run"),
        (text_of("{}"), "edits must be a list"),
        (text_of(json.dumps([{"do": "mark", "crystal": 0, "as": "vacuum"}] * 501)), "at most 500"),
        (text_of("[!!python/object/apply:os.getcwd []]"), "is not valid YAML"),
        ("[" * 5000, "is not valid YAML"),
    ],
    ids=range(12),
)
def test_a_file_that_is_none(text, words):
    with pytest.raises(InputError, match=words) as caught:
        parse_edits(text, source="mine.yaml")
    assert str(caught.value).startswith("mine.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("i", range(28))
def test_an_operation_that_is_not_as_it_should_be_is_named_by_its_place(i, cases):
    good = {"do": "recolor", "crystal": 0, "color": "#000000"}
    with pytest.raises(InputError, match=r"^edits\.yaml, edit 2: ") as caught:
        parse_edits(text_of(json.dumps([good, cases["malformed"][i]])))
    assert len(str(caught.value)) < 300


def test_all_malformed_cases_are_tried(cases):
    assert len(cases["malformed"]) == 28


def test_a_long_list_is_not_told_in_full():
    bomb = "\n- &a [x, x]\n- &b [*a, *a]\n- [*b, *b]"
    with pytest.raises(InputError, match=r"edit 1: do must be one of .*, got \['x', 'x'\]$"):
        parse_edits(text_of(bomb))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="there is no "):
        read_edits(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_bytes(b" " * 65537)
    with pytest.raises(InputError, match="larger than 65536 bytes"):
        read_edits(tmp_path / "large.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_edits(tmp_path / "binary.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read_edits(tmp_path)


def test_a_place_that_cannot_be_written_to(tmp_path):
    with pytest.raises(ResourceError, match="could not be written"):
        save_edits(EDITS, tmp_path / "missing" / "edits.yaml")

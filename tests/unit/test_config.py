"""Settings: what is accepted, what is refused and in which words, and the way through YAML."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from unmix4d.config import Settings, Start
from unmix4d.errors import UsageError

counts = st.integers(min_value=1, max_value=10**6)
lengths = st.floats(min_value=1e-6, max_value=1e6)
pairs = st.tuples(st.integers(0, 500), st.integers(1, 500)).map(lambda p: (p[0], p[0] + p[1]))

one_by_one: dict[str, st.SearchStrategy[Any]] = {
    "scan_shape": st.none() | st.tuples(counts, counts),
    "scan_step": st.none() | lengths,
    "pattern_step": st.none() | lengths,
    "dataset": st.none() | st.text("ab/ü: #-'\\\n\t[]"),
    "filter": st.sampled_from(["raw", "mean"]),
    "crop": st.none() | st.tuples(pairs, pairs).map(lambda p: (*p[0], *p[1])),
    "bin": counts,
    "beam": st.sampled_from(["none", "auto"]) | lengths,
    "mask": st.none() | st.sampled_from([Path("mask.npy"), Path("deep/ü.tif")]),
    "hot_pixels": st.sampled_from(["auto", "none"]),
    "offset": st.sampled_from(["auto", "none"]) | st.floats(min_value=0, max_value=1e6),
    "descan": st.sampled_from(["auto", "none"]),
    "saturation": st.sampled_from(["auto", "none"]),
    "vacuum": st.sampled_from(["auto", "none"]),
    "nan": st.sampled_from(["error", "zero", "mask"]),
    "weighting": st.sampled_from(["poisson", "measured", "none"]),
    "starts": st.lists(st.sampled_from(get_args(Start)), min_size=1, unique=True).map(tuple),
    "l1": st.floats(min_value=0, max_value=1e6),
    "max_iter": st.none() | counts,
    "tol": lengths,
    "k": st.just("auto") | counts,
    "k_max": counts,
    "background": st.sampled_from(["auto", "none"]) | st.integers(0, 100),
    "crystals": st.sampled_from(["refined", "merged"]),
    "keep": st.sampled_from(["chosen", "range", "all"]),
    "threads": st.none() | counts,
    "workers": st.integers(0, 100),
    "memory": st.none() | st.integers(1, 10**15),
    "seed": st.integers(0, 2**32),
}


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=one_by_one))
def test_yaml_gives_back_equal_settings(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    settings = Settings(**values)
    path = tmp_path_factory.mktemp("yaml") / "run.yaml"
    path.write_text(settings.to_yaml(), encoding="utf-8")
    assert Settings.from_yaml(path) == settings
    assert {name: getattr(settings, name) for name in values} == values


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("k", "auto", "auto"),
        ("k", "8", 8),
        ("scan_shape", "95,165", (95, 165)),
        ("scan_shape", "95, 165", (95, 165)),
        ("crop", "0,10,20,30", (0, 10, 20, 30)),
        ("beam", "3.5", 3.5),
        ("beam", "auto", "auto"),
        ("background", "3", 3),
        ("starts", "spa,random", ("spa", "random")),
        ("starts", "spa", ("spa",)),
        ("memory", "8GB", 8_000_000_000),
        ("memory", "512 MiB", 536_870_912),
        ("memory", "1.5g", 1_500_000_000),
        ("memory", "1000", 1000),
        ("tol", "1e-3", 0.001),
        ("mask", "mask.npy", Path("mask.npy")),
    ],
)
def test_text_is_read_as_the_command_line_writes_it(name: str, text: str, value: object) -> None:
    assert getattr(Settings(**{name: text}), name) == value


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kmax": 3}, "kmax: there is no such setting (did you mean k_max?); known: scan_shape, "),
        ({"k": "eight"}, "k: got 'eight', expected auto or a whole number of at least 1"),
        ({"k": 0}, "k: got 0, expected auto"),
        ({"bin": 1.5}, "bin: got 1.5, expected a whole number of at least 1"),
        ({"scan_shape": "95x165"}, "scan_shape: got '95x165', expected two whole numbers"),
        ({"scan_shape": (3,)}, "scan_shape: got (3,), expected two whole numbers"),
        ({"scan_shape": (0, 3)}, "scan_shape: got 0, expected two whole numbers"),
        ({"scan_step": -1.0}, "scan_step: got -1.0, expected a number above 0"),
        ({"scan_step": float("inf")}, "scan_step: got inf, expected a number above 0"),
        ({"tol": float("nan")}, "tol: got nan, expected a number above 0"),
        ({"crop": (5, 2, 0, 3)}, "crop: 5,2,0,3 is empty or reversed"),
        ({"crop": (0, 2, 3, 3)}, "crop: 0,2,3,3 is empty or reversed"),
        ({"crop": (-1, 2, 0, 3)}, "crop: got -1, expected four whole numbers"),
        ({"memory": "lots"}, "memory: got 'lots', expected a number of bytes"),
        ({"memory": "0"}, "memory: got 0, expected a number of bytes"),
        ({"starts": "spa,nmf"}, "starts: got 'nmf', expected one or more of spa, kmeans, nndsvda, warm and random"),
        ({"starts": "spa,spa"}, "starts: spa,spa names a start twice"),
        ({"starts": ()}, "starts: got (), expected one or more"),
        ({"filter": "men"}, "no unmix4d.filters named 'men'; known: epattern, gated-mean, mean, raw"),
        ({"solver": "cd"}, "no unmix4d.solvers named 'cd'; known: hals, mu-kl, multiplicative"),
        ({"workers": -1}, "workers: got -1, expected a whole number from 0"),
        ({"workers": 2, "scheduler": "tcp://a:1"}, "workers and scheduler say twice where the work is done"),
        ({"k_min": 5, "k_max": 3}, "k_min: 5 is above k_max, which is 3"),
        ({"voltage": 200}, "voltage, camera_length, pixel belong together: camera_length and pixel missing"),
        (
            {"voltage": 200, "camera_length": 100, "pixel": 55, "pattern_step": 0.01},
            "pattern_step and voltage, camera_length, pixel say the same thing twice",
        ),
        ({"beam": False}, "beam: got false (YAML reads yes, no, on and off as that too), expected none, auto or"),
        ({"k": True}, "k: got true"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Settings(**values)
    assert str(refusal.value).startswith(words)
    assert "\n" not in str(refusal.value)


def test_an_unknown_setting_lists_every_known_one() -> None:
    with pytest.raises(UsageError) as refusal:
        Settings(speed=3)
    assert str(refusal.value).endswith("known: " + ", ".join(Settings.model_fields))


def test_the_three_camera_values_are_accepted_together() -> None:
    settings = Settings(voltage=200, camera_length=100, pixel=55)
    assert (settings.voltage, settings.camera_length, settings.pixel) == (200.0, 100.0, 55.0)


def test_numpy_numbers_are_numbers() -> None:
    settings = Settings(k=np.int64(8), scan_shape=np.array([3, 4]), tol=np.float32(0.5))
    assert (settings.k, settings.scan_shape, settings.tol) == (8, (3, 4), 0.5)


def test_settings_cannot_be_written_to() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.k = 3  # type: ignore[misc]


def test_an_updated_copy_is_checked_and_leaves_the_first_alone() -> None:
    first = Settings(k_max=12)
    assert first.updated(k="5").model_dump() == {**first.model_dump(), "k": 5}
    assert first.k == "auto"
    with pytest.raises(UsageError, match="k_min: 13 is above k_max, which is 12"):
        first.updated(k_min=13)
    with pytest.raises(UsageError, match="kmin: there is no such setting"):
        first.updated(kmin=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kmax: 3", "kmax: there is no such setting (did you mean k_max?)"),
        ("vacuum: off", "vacuum: got false (YAML reads yes, no, on and off as that too), expected auto or none"),
        ("filter: men", "no unmix4d.filters named 'men'"),
        ("- 1\n- 2", "expected settings as names and values, found list"),
        ("k: [", "is not valid YAML"),
        ("k: \x00", "is not valid YAML"),
    ],
)
def test_a_bad_file_is_named_before_what_is_wrong_with_it(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refusal:
        Settings.from_yaml(path)
    assert str(refusal.value).startswith(f"{path}: {words}")
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read: No such file"):
        Settings.from_yaml(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff\xfe")
    with pytest.raises(UsageError, match=r"run\.yaml: is not valid YAML"):
        Settings.from_yaml(path)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("", encoding="utf-8")
    assert Settings.from_yaml(path) == Settings()


def test_every_setting_says_what_it_does_and_what_it_accepts() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict), name
        assert all(field.json_schema_extra.get(key) for key in ("form", "expects", "panel")), name

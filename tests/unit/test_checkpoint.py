"""Unfinished work on disk: whole or not there, and only for the same scan, settings and version."""

import dataclasses
import json
import os
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest

from unmix4d import api, registry
from unmix4d.checkpoint import SURVEY, Checkpoint, pack_survey, unfinished, unpack_survey
from unmix4d.config import Settings
from unmix4d.errors import InputError, ResourceError, Unmix4dWarning, UsageError
from unmix4d.execute import executor
from unmix4d.prepare.chain import prepare
from unmix4d.records import Survey
from unmix4d.registry import Keeper, NothingKept

ARRAYS = {
    "file": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "flag": np.array(True),
    "text": np.array(["spa", "größer"]),
    "none": np.empty((0, 4)),
    "special": np.array([np.nan, -0.0, np.inf, 5e-324]),
}
SETTINGS = Settings(k_max=6, crop=(0, 4, 0, 5))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A scan of 6 x 5 patterns, some values negative."""
    path = tmp_path / "scan.npy"
    np.save(path, np.random.default_rng(0).poisson(3.0, (6, 5, 8, 9)).astype(np.int16) - 1)
    return path


@pytest.fixture
def kept(tmp_path: Path, path: Path) -> Checkpoint:
    """A checkpoint of that scan with one finished step."""
    kept = Checkpoint(tmp_path / "work")
    kept.begin(api.open_scan(path, SETTINGS), SETTINGS)
    kept.save(SURVEY, ARRAYS)
    return kept


def rewrite(kept: Checkpoint, **changes: object) -> None:
    """Change what a checkpoint says about its source."""
    file = kept.folder / "source.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_a_step_comes_back_as_it_was_saved(kept: Checkpoint) -> None:
    again = kept.load(SURVEY)
    assert list(again) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert again[name].dtype == array.dtype
        assert again[name].tobytes(order="A") == array.tobytes(order="A")
        assert again[name].flags.f_contiguous == array.flags.f_contiguous


def test_names_of_steps_may_hold_anything(kept: Checkpoint) -> None:
    for name in ("fit/07", "../out", "ü %2F", "a.b"):
        kept.save(name, {"x": np.array(len(name))})
        assert kept.load(name)["x"] == len(name)
    assert set(kept.steps()) == {SURVEY, "fit/07", "../out", "ü %2F", "a.b"}
    assert kept.load("fit/08") is None


def test_a_damaged_step_counts_as_not_there(kept: Checkpoint) -> None:
    (file,) = kept.folder.glob("*.npz")
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        assert kept.load(SURVEY) is None
    rng = np.random.default_rng(0)
    same = 0
    for place in rng.integers(0, len(whole), 1000):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        found = kept.load(SURVEY)
        assert found is None or {n: a.tobytes() for n, a in found.items()} == {
            n: a.tobytes() for n, a in ARRAYS.items()
        }
        same += found is not None  # a bit of a time stamp, say
    assert same < 500


def test_objects_are_refused_and_leave_nothing_behind(kept: Checkpoint) -> None:
    before = sorted(kept.folder.iterdir())
    with pytest.raises(ValueError, match="Object arrays"):
        kept.save("fit", {"x": np.array([None])})
    assert sorted(kept.folder.iterdir()) == before


def test_a_full_disk_is_a_resource_error_and_leaves_nothing_behind(kept: Checkpoint) -> None:
    before = sorted(kept.folder.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(ResourceError, match=r"fit\.npz could not be written: the disk is full"):
            kept.save("fit", {"x": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(kept.folder.iterdir()) == before


def test_unfinished_work_lies_beside_the_run_folder(tmp_path: Path) -> None:
    assert unfinished(tmp_path / "a" / ".." / "out").folder == tmp_path / "out.unfinished"


def test_settings_and_source_come_back(kept: Checkpoint, path: Path) -> None:
    assert kept.settings() == SETTINGS
    assert kept.source() == path
    assert kept.steps() == (SURVEY,)
    kept.check(api.open_scan(path, SETTINGS))


def test_settings_that_no_step_depends_on_may_be_new(kept: Checkpoint) -> None:
    free = {"threads": 3, "workers": 2, "memory": "8GB", "background": 1, "compare_to": "raw", "keep": "all"}
    assert kept.settings(**free) == SETTINGS.updated(**free)
    assert kept.settings(k_max="6") == SETTINGS
    assert kept.settings(scheduler="tcp://there:8786").scheduler == "tcp://there:8786"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"k_max": "9"}, "k_max: got 9, but the run to resume has 6; leave it out, or start anew"),
        ({"crop": (0, 4, 0, 4)}, "crop: got 0,4,0,4, but the run to resume has 0,4,0,5;"),
        ({"seed": 3}, "seed: got 3, but the run to resume has 0;"),
        ({"kmax": 3}, "kmax: there is no such setting"),
    ],
)
def test_other_settings_are_refused_by_name(kept: Checkpoint, given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        kept.settings(**given)
    assert str(refusal.value).startswith(words)


def test_nothing_to_resume_says_what_to_do(tmp_path: Path) -> None:
    for ask in (Checkpoint(tmp_path).source, Checkpoint(tmp_path / "none").settings):
        with pytest.raises(UsageError, match=r"there is nothing to resume: .* start a run with"):
            ask()


def test_another_version_is_refused(kept: Checkpoint) -> None:
    rewrite(kept, unmix4d="0.0.1")
    with pytest.raises(UsageError, match=r"was left by unmix4d 0\.0\.1 and this is "):
        kept.settings()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"path": "a', "\x00"])
def test_a_damaged_source_is_refused(kept: Checkpoint, text: str) -> None:
    (kept.folder / "source.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"source\.json is damaged, so the run cannot be resumed"):
        kept.source()


def test_damaged_settings_are_refused(kept: Checkpoint) -> None:
    (kept.folder / "run.yaml").write_text("k: [", encoding="utf-8")
    with pytest.raises(UsageError, match=r"run\.yaml: is not valid YAML.*cannot be resumed"):
        kept.settings()


def test_a_scan_that_changed_is_an_input_error(kept: Checkpoint, path: Path) -> None:
    values = np.load(path)
    values[0, 0, 0, 0] += 1
    np.save(path, values)
    with pytest.raises(InputError, match=r"scan\.npy changed since the run was interrupted"):
        kept.check(api.open_scan(path, SETTINGS))


def test_a_new_time_alone_is_no_change_of_a_file_that_is_hashed_whole(kept: Checkpoint, path: Path) -> None:
    os.utime(path, (0, 0))
    kept.check(api.open_scan(path, SETTINGS))
    rewrite(kept, bytes=path.stat().st_size + 1)
    with pytest.raises(InputError):
        kept.check(api.open_scan(path, SETTINGS))


def test_another_scan_is_refused_by_name(kept: Checkpoint, path: Path) -> None:
    other = path.with_name("other.npy")
    other.write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match=r"that of .*scan\.npy, not of .*other\.npy"):
        kept.check(api.open_scan(other))
    with pytest.raises(UsageError, match=r"that of .*scan\.npy, not of a scan in memory"):
        kept.check(api.open_scan(np.load(path)))


def test_a_scan_opened_in_another_way_is_refused(kept: Checkpoint, path: Path) -> None:
    with pytest.raises(UsageError, match=r"opens as .*\[5, 6\].* had .*\[6, 5\]"):
        kept.check(api.open_scan(path, scan_shape=(5, 6)))


def test_a_scan_in_memory_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this scan is in memory"):
        Checkpoint(tmp_path / "work").begin(api.open_scan(np.ones((2, 2, 4, 4))), Settings())
    assert not list(tmp_path.iterdir())


def test_what_is_not_from_a_run_is_never_deleted(kept: Checkpoint, path: Path) -> None:
    notes = kept.folder / "notes.txt"
    notes.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds notes\.txt, which no run has written"):
        kept.begin(api.open_scan(path, SETTINGS), SETTINGS)
    assert kept.steps() == (SURVEY,)
    kept.remove()
    assert list(kept.folder.iterdir()) == [notes]


def test_a_new_beginning_drops_the_old_steps(kept: Checkpoint, path: Path) -> None:
    kept.begin(api.open_scan(path), Settings(k_max=3))
    assert (kept.steps(), kept.settings()) == ((), Settings(k_max=3))
    kept.remove()
    assert not kept.folder.exists()


@pytest.mark.parametrize(
    ("steps", "error", "stays"),
    [
        ((), ValueError, False),
        ((), KeyboardInterrupt, False),
        ((SURVEY,), ResourceError, False),
        ((SURVEY,), KeyboardInterrupt, True),
        ((SURVEY, "fit"), ResourceError, True),
        ((SURVEY, "fit"), KeyboardInterrupt, True),
    ],
)
def test_what_is_worth_keeping_stays(
    tmp_path: Path, path: Path, steps: tuple[str, ...], error: type[BaseException], stays: bool
) -> None:
    kept = Checkpoint(tmp_path / "work")
    kept.begin(api.open_scan(path), Settings())
    with pytest.raises(error), kept.working():
        for step in steps:
            kept.save(step, ARRAYS)
        raise error
    assert kept.exists() == stays
    assert kept.steps() == (tuple(sorted(steps)) if stays else ())


@pytest.mark.parametrize("negative", ["clip", "shift"])
def test_a_survey_comes_back_whole(path: Path, negative: str) -> None:
    settings = SETTINGS.updated(negative=negative, bin=2)
    scan = api.open_scan(path, settings)
    first = prepare(scan, executor=executor(1), crop=settings.crop, bin=2, negative=negative, block_bytes=600)
    mask = np.arange(72).reshape(8, 9) > 5
    packed = {name: np.asarray(array) for name, array in pack_survey(first, mask=mask, block_bytes=600).items()}
    again, mask_again = unpack_survey(packed, scan, settings)
    np.testing.assert_array_equal(mask_again, mask)
    np.testing.assert_array_equal(again.nan_pixels, first.nan_pixels)
    assert (again.source.window, again.source.geometry.scan_shape) == (first.source.window, (4, 5))
    assert again.source.tiles == first.source.tiles
    assert len(first.source.tiles) > 1
    for field in dataclasses.fields(Survey):
        one, other = getattr(again.survey, field.name), getattr(first.survey, field.name)
        assert type(one) is type(other), field.name
        np.testing.assert_array_equal(one, other) if isinstance(one, np.ndarray) else None
        assert isinstance(one, np.ndarray) or one == other, field.name
    assert (again.survey.beam is None) == (first.survey.beam is None)


def test_a_finished_python_run_is_resumed_without_work_and_replaced_with_a_warning(
    tmp_path: Path, path: Path
) -> None:
    with pytest.warns(Unmix4dWarning):
        first = api.unmix(path, k_max=3, checkpoint=tmp_path / "work")
    assert SURVEY in Checkpoint(tmp_path / "work").steps()
    with pytest.warns(Unmix4dWarning):
        again = api.Run.resume(tmp_path / "work", threads=1)
    assert set(first.result.record.warnings) == set(again.result.record.warnings)
    np.testing.assert_array_equal(again.result.factorization.weights, first.result.factorization.weights)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", Unmix4dWarning)
        api.unmix(path, k_max=2, checkpoint=tmp_path / "work")
    expected = (
        f"unfinished work was found in {tmp_path / 'work'} and is replaced; with --resume a run goes on with it"
    )
    assert [str(warning.message) for warning in said].count(expected) == 1
    assert Checkpoint(tmp_path / "work").settings() == Settings(k_max=2)


def test_a_run_that_is_refused_leaves_the_work_of_another(kept: Checkpoint, path: Path) -> None:
    with pytest.raises(ResourceError):
        api.unmix(path, memory=1000, checkpoint=kept.folder)
    with pytest.raises(InputError):
        api.unmix(path.with_name("none.npy"), checkpoint=kept.folder)
    assert (kept.steps(), kept.settings()) == ((SURVEY,), SETTINGS)


def test_the_mask_is_kept_with_the_survey(tmp_path: Path, path: Path) -> None:
    mask = tmp_path / "mask.npy"
    np.save(mask, np.eye(8, 9))
    with pytest.warns(Unmix4dWarning):
        first = api.unmix(path, k_max=2, mask=mask, checkpoint=tmp_path / "work")
    mask.unlink()
    with pytest.warns(Unmix4dWarning):
        again = api.Run.resume(tmp_path / "work")
    np.testing.assert_array_equal(again.result.pixel_mask, first.result.pixel_mask)
    assert first.result.pixel_mask.sum() == 64


def test_nothing_kept_is_a_keeper() -> None:
    keeper: Keeper = NothingKept()
    keeper.save("fit", ARRAYS)
    assert keeper.load("fit") is None


def test_a_repair_comes_back_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.indices((24, 24))
    patterns = np.empty((12, 14, 24, 24), dtype=np.uint16)
    for i, j in np.ndindex(12, 14):
        beam = 300 * np.exp(-((y - 10 - i / 4) ** 2 + (x - 12) ** 2) / 4)
        patterns[i, j] = rng.poisson(beam + 1) + 10
    patterns[:, :, 3, 4] = 5000
    np.save(tmp_path / "scan.npy", patterns)
    scan = api.open_scan(tmp_path / "scan.npy")
    first = prepare(scan, executor=executor(1))
    assert {"hot pixels", "camera offset", "descan"} <= {step.name for step in first.survey.cleaning if step.found}
    packed = {name: np.asarray(array) for name, array in pack_survey(first, mask=None, block_bytes=2**24).items()}
    again, _ = unpack_survey(packed, scan, api.Settings())
    assert again.survey.cleaning == first.survey.cleaning
    np.testing.assert_array_equal(again.survey.left_out, first.survey.left_out)
    one, other = (ready.matrix(filter=registry.load("filters", "raw")()) for ready in (again, first))
    np.testing.assert_array_equal(one.read_block(0), other.read_block(0))
    assert one.steps == other.steps

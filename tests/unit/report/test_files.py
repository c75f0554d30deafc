"""Files and folders that appear whole or not at all."""

import errno
from pathlib import Path

import pytest

from unmix4d.errors import ResourceError, UsageError
from unmix4d.report.files import check_folder, folder_written_whole, written_whole


def full_disk():
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ResourceError, match="the disk is full"), written_whole(path) as part:
        part.write_text("ha")
        raise full_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_another_error_leaves_nothing_and_is_passed_on(tmp_path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_when_it_is_complete(tmp_path):
    folder = tmp_path / "deep" / "run"
    with folder_written_whole(folder) as part:
        (part / "a").write_text("1")
        assert not folder.exists()
    assert (folder / "a").read_text() == "1"
    assert list(folder.parent.iterdir()) == [folder]


def earlier_run(folder):
    folder.mkdir()
    for name in ("run.yaml", "result.h5", "clusters.csv"):
        (folder / name).write_text("old")
    (folder / "figures").mkdir()


def test_an_earlier_run_is_kept_unless_told_otherwise(tmp_path):
    folder = tmp_path / "run"
    earlier_run(folder)
    with pytest.raises(UsageError, match="--overwrite"):
        check_folder(folder)
    with folder_written_whole(folder, overwrite=True) as part:
        (part / "a").write_text("1")
        assert (folder / "result.h5").exists()
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("foreign", ["scan.npy", "scan.hspy", "notes.txt"])
@pytest.mark.parametrize("beside_a_run", [True, False])
def test_nothing_of_the_users_is_ever_replaced(tmp_path, foreign, beside_a_run):
    folder = tmp_path / "run"
    if beside_a_run:
        earlier_run(folder)
    folder.mkdir(exist_ok=True)
    (folder / foreign).write_text("precious")
    with pytest.raises(UsageError, match=f"holds {foreign}, which no run has written"):
        check_folder(folder, overwrite=True)
    assert (folder / foreign).read_text() == "precious"


def test_the_current_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with folder_written_whole(Path(), overwrite=True) as part:
        (part / "a").write_text("1")
    assert (tmp_path / "a").read_text() == "1"


def test_a_failed_replacement_keeps_the_old_folder(tmp_path):
    folder = tmp_path / "run"
    earlier_run(folder)
    with pytest.raises(ResourceError, match="disk is full"), folder_written_whole(folder, overwrite=True):
        raise full_disk()
    assert (folder / "result.h5").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_that_does_not_fit_is_named_by_its_final_place(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ResourceError) as refusal, folder_written_whole(folder) as part, written_whole(part / "a"):
        raise full_disk()
    assert str(refusal.value).startswith(f"{folder / 'a'} could not be written: the disk is full")


def test_an_empty_folder_may_be_used(tmp_path):
    check_folder(tmp_path)
    with folder_written_whole(tmp_path / "x") as part:
        (part / "a").write_text("1")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "run"
    path.write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        check_folder(path)


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="could not be written"):
        check_folder(tmp_path / "file" / "run")

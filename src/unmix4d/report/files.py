"""The folder of a run, which appears whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unmix4d.errors import ResourceError, UsageError
from unmix4d.write.whole import as_resource_error, beside, reserve, written_whole

__all__ = ["as_resource_error", "check_folder", "folder_written_whole", "reserve", "written_whole"]

RUN_MARK = "result.h5"
OWN_NAMES = {
    RUN_MARK,
    "run.yaml",
    "provenance.json",
    "report.html",
    "figures",
    *("decision.csv", "clusters.csv", "comparison.csv", "overlap.csv", "overlap_pairs.csv", "cleaning.csv"),
    *("components.hspy", "weights.hspy", "clusters.tif", "overlap.tif"),
}


@dataclass(frozen=True, slots=True)
class Owned:
    """What a folder that may be replaced holds: the file by which it is known, and the names of all else.

    With ``runs``, folders of runs too.
    """

    mark: str = RUN_MARK
    names: frozenset[str] = frozenset(OWN_NAMES)
    runs: bool = False

    def foreign(self, folder: Path) -> list[str]:
        """List what is not ours: a folder that is replaced must hold nothing of the user's."""
        if not folder.is_dir():
            return []
        inside = sorted(folder.iterdir())
        if self.mark not in {path.name for path in inside}:
            return [path.name for path in inside]
        return [path.name for path in inside if path.name not in self.names and not self._is_run(path)]

    def _is_run(self, path: Path) -> bool:
        return self.runs and (path / RUN_MARK).is_file() and not OF_A_RUN.foreign(path)


OF_A_RUN = Owned()


def check_folder(folder: Path, *, overwrite: bool = False, owned: Owned = OF_A_RUN) -> None:
    """Make sure that a folder can be made or replaced, by trying it, before any work is done.

    Raises
    ------
    UsageError
        If it exists, is not empty, and ``overwrite`` is False or it holds anything but an earlier run; or if it
        is a file.
    ResourceError
        If nothing can be written there.
    """
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UsageError(f"{folder} exists and is not empty; give another folder, or --overwrite to replace it")
    foreign = owned.foreign(folder)
    if foreign:
        raise UsageError(
            f"{folder} holds {foreign[0]}, which no run has written, so it is not replaced; give another folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        probe = beside(folder)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise as_resource_error(error, folder) from error


@contextmanager
def folder_written_whole(folder: Path, *, overwrite: bool = False, owned: Owned = OF_A_RUN) -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` that takes its place when the block ends well.

    A folder that is replaced stays until the new one is complete.

    Raises
    ------
    UsageError, ResourceError
        As in :func:`check_folder`; nothing half-written is left.
    """
    folder = folder.resolve()
    check_folder(folder, overwrite=overwrite, owned=owned)
    part, old = beside(folder), beside(folder)
    try:
        part.mkdir()
        yield part
        if folder.exists():
            folder.replace(old)
        try:
            part.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
    except ResourceError as error:
        raise ResourceError(str(error).replace(str(part), str(folder))) from error
    except OSError as error:
        raise as_resource_error(error, folder) from error
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)

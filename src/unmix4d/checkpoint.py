"""What an interrupted run leaves behind, so that it can be resumed: one file for each finished step."""

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote
from uuid import uuid4

import numpy as np
import yaml

from unmix4d import __version__
from unmix4d.config import Settings
from unmix4d.errors import InputError, UsageError
from unmix4d.prepare.chain import Prepared
from unmix4d.prepare.repair import Descan, Repair
from unmix4d.prepare.source import make_source
from unmix4d.read.identity import WHOLE_FILE_BYTES, source_digest
from unmix4d.records import AnyArray, Beam, BoolArray, CleaningStep, Geometry, Scan, Survey
from unmix4d.report.files import RUN_MARK, as_resource_error, written_whole

SUFFIX = ".unfinished"
SURVEY = "survey"
SETTINGS_FILE = "run.yaml"
SOURCE_FILE = "source.json"
STEP_SUFFIX = ".npz"
DAMAGE = (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)
FREE = frozenset(
    {"threads", "workers", "scheduler", "memory", "background", "crystals", "compare_to", "trajectory", "keep"}
)
"""Settings that no kept step depends on: a run may be resumed with others."""

SomeSettings = TypeVar("SomeSettings", bound=Settings)

ANEW = "or start anew without --resume"


def unfinished(out: str | Path) -> "Checkpoint":
    """Give the place beside a run folder where its unfinished work is kept: ``OUT.unfinished``."""
    folder = Path(out).resolve()
    return Checkpoint(folder.with_name(f"{folder.name}{SUFFIX}"))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with the finished steps of a run, its settings and what its scan was; a Keeper.

    A step is one uncompressed ``.npz`` that appears whole or not at all. Damaged ones count as not there.
    """

    folder: Path

    def load(self, step: str, /) -> dict[str, AnyArray] | None:
        """Give the arrays of a step; None if it was not finished or its file is damaged."""
        path = self._path(step)
        try:
            with zipfile.ZipFile(path) as archive:
                names = json.loads(archive.comment)
                if archive.testzip() is not None:  # bad values would else show only after reading them
                    return None
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names} if arrays.files == names else None
        except DAMAGE:
            return None

    def save(self, step: str, arrays: Mapping[str, AnyArray], /) -> None:
        """Keep the arrays of a step.

        Raises
        ------
        ResourceError
            If they cannot be written, as when the disk is full; nothing half-written is left.
        """
        with (
            written_whole(self._path(step)) as part,
            part.open("wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        ):
            archive.comment = json.dumps(list(arrays)).encode()  # a damaged table of contents may lose some
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)

    def steps(self) -> tuple[str, ...]:
        """Names of the finished steps, sorted."""
        return tuple(sorted(unquote(path.stem) for path in self.folder.glob(f"[!.]*{STEP_SUFFIX}")))

    def forget(self, steps: Iterable[str]) -> None:
        """Delete some steps that are not needed any more."""
        for step in steps:
            self._path(step).unlink(missing_ok=True)

    def _path(self, step: str) -> Path:
        name = quote(step, safe="").replace(".", "%2E")  # a leading dot would hide it
        return self.folder / f"{name}{STEP_SUFFIX}"

    # The whole folder --------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Tell whether there is unfinished work."""
        return (self.folder / SOURCE_FILE).is_file()

    def begin(self, scan: Scan, settings: Settings) -> None:
        """Make the folder for a new run; unfinished work that it holds is given up.

        Raises
        ------
        UsageError
            If the scan is not in a file, or the folder holds something that is not from a run.
        ResourceError
            If it cannot be written.
        """
        if "path" not in scan.metadata:
            raise UsageError(
                "only the run of a file can be resumed, and this scan is in memory: leave checkpoint out"
            )
        foreign = sorted(path.name for path in self._files() if not _is_own(path))
        if foreign:
            raise UsageError(
                f"{self.folder} holds {foreign[0]}, which no run has written: move it away or choose another folder"
            )
        part = self.folder.with_name(f".{self.folder.name}.{uuid4().hex[:8]}.part")
        told = {**_facts(scan), "opened": _opened(scan), "unmix4d": __version__}
        try:
            part.mkdir(parents=True)
            (part / SETTINGS_FILE).write_text(settings.to_yaml(), encoding="utf-8")
            (part / SOURCE_FILE).write_text(json.dumps(told, indent=2, ensure_ascii=False), encoding="utf-8")
            self.remove()
            part.replace(self.folder)
        except OSError as error:
            raise as_resource_error(error, self.folder) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def remove(self) -> None:
        """Delete the unfinished work; what else lies there stays."""
        with suppress(OSError):
            (self.folder / SOURCE_FILE).unlink(missing_ok=True)  # first: without it the rest counts for nothing
        for path in filter(_is_own, self._files()):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Delete the folder when the work inside ends early with little to lose.

        An interrupted run keeps every finished step. One that failed keeps them only if there is more than the
        survey: most failures are found right after it, and come back when the run is resumed.
        """
        try:
            yield
        except Exception:
            if set(self.steps()) <= {SURVEY}:
                self.remove()
            raise
        except BaseException:
            if not self.steps():
                self.remove()
            raise

    def _files(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []

    # What was kept -----------------------------------------------------------------------------------------------

    def source(self) -> Path:
        """Give the absolute path of the scan.

        Raises
        ------
        UsageError
            If there is nothing to resume, or it was left by another version of unmix4d.
        """
        return Path(str(self._told()["path"]))

    def settings(self, **given: Any) -> Settings:  # noqa: ANN401 - settings by name
        """Give the settings of the run; those that no kept step depends on may be given anew.

        Raises
        ------
        UsageError
            If a given setting differs from the kept one, if several filters were compared, or as in :meth:`source`.
        """
        if self.compares_filters():
            raise UsageError(
                f"{self.folder} is that of a comparison of filters: go on with unmix4d compare-filters --resume"
            )
        return self.settings_as(Settings, **given)

    def compares_filters(self) -> bool:
        """Tell whether the unfinished work is that of several filters, by its settings."""
        try:
            values = yaml.safe_load((self.folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return False
        return isinstance(values, dict) and "filters" in values

    def settings_as(self, kind: type[SomeSettings], /, **given: Any) -> SomeSettings:  # noqa: ANN401 - as above
        """Give the settings of work that has more of them than a run; as :meth:`settings`.

        Raises
        ------
        UsageError
            If a given setting differs from the kept one, or as in :meth:`source`.
        """
        self._told()
        try:
            kept = kind.from_yaml(self.folder / SETTINGS_FILE)
        except UsageError as error:
            raise UsageError(f"{error}; it cannot be resumed: start anew without --resume") from None
        wanted = kept.updated(**given)
        for name in kind.model_fields:
            mine, other = getattr(kept, name), getattr(wanted, name)
            if name not in FREE and mine != other:
                raise UsageError(
                    f"{name}: got {_shown(other)}, but the run to resume has {_shown(mine)}; leave it out, {ANEW}"
                )
        return wanted

    def check(self, scan: Scan) -> None:
        """Make sure that a scan is the one whose work was kept, and that its file did not change since.

        Raises
        ------
        UsageError
            If it is another scan, or was opened in another way.
        InputError
            If its file changed.
        """
        told = self._told()
        if "path" not in scan.metadata or not _same_file(scan.metadata["path"], told["path"]):
            name = scan.metadata.get("path", "a scan in memory")
            raise UsageError(f"the run to resume is that of {told['path']}, not of {name}; leave it out, {ANEW}")
        now = _facts(scan)
        whole = Path(now["path"]).is_file() and now["bytes"] <= WHOLE_FILE_BYTES
        looked_at = ("bytes", "digest") if whole else ("bytes", "digest", "modified")
        if any(now[name] != told.get(name) for name in looked_at):
            raise InputError(
                f"{told['path']} changed since the run was interrupted, so its finished steps do not fit any more: "
                "start anew without --resume"
            )
        opened, before = _opened(scan), told.get("opened")
        if opened != before:
            raise UsageError(
                f"{told['path']} opens as {opened}, but the run to resume had {before}; open it as then, {ANEW}"
            )

    def _told(self) -> dict[str, Any]:
        """Read what is known about the source of the run."""
        try:
            told = json.loads((self.folder / SOURCE_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(
                f"there is nothing to resume: {self.folder} does not hold unfinished work; "
                "start a run with unmix4d run SCAN -o OUT"
            ) from None
        except (OSError, ValueError):
            told = None
        if not isinstance(told, dict) or "path" not in told:
            raise UsageError(
                f"{self.folder / SOURCE_FILE} is damaged, so the run cannot be resumed: start anew without --resume"
            )
        if told.get("unmix4d") != __version__:
            raise UsageError(
                f"{self.folder} was left by unmix4d {told.get('unmix4d')} and this is {__version__}: "
                f"resume it with that version, {ANEW}"
            )
        return told


# The survey as a step ---------------------------------------------------------------------------------------------


def pack_survey(prepared: Prepared, *, mask: BoolArray | None, block_bytes: int) -> dict[str, AnyArray]:
    """Give all that the first look at a scan found, as arrays.

    The detector mask goes with it, because its file may change; and the size of blocks, because it depends on the
    memory that is free, and sums over other blocks are rounded in another way.
    """
    told: dict[str, Any] = {"offset": prepared.source.window.offset, "block_bytes": block_bytes}
    arrays: dict[str, AnyArray] = {"nan_pixels": prepared.nan_pixels}
    if mask is not None:
        arrays["mask"] = mask
    for field in fields(Survey):
        value = getattr(prepared.survey, field.name)
        if isinstance(value, np.ndarray):
            arrays[f"survey.{field.name}"] = value
        elif field.name == "cleaning":
            told["cleaning"] = [asdict(step) for step in value]
        else:
            told[f"survey.{field.name}"] = asdict(value) if isinstance(value, Beam) else value
    repair = prepared.source.window.repair
    if repair is not None:
        told["level"] = repair.level
        arrays |= {"repair.bad": repair.bad, "repair.around": repair.around}
        if repair.descan is not None:
            arrays["repair.descan"] = repair.descan.terms
    return {**arrays, "told": np.array(json.dumps(told))}


def unpack_survey(
    arrays: Mapping[str, AnyArray], scan: Scan, settings: Settings
) -> tuple[Prepared, BoolArray | None]:
    """Give back what `pack_survey` was given: the prepared scan and the detector mask."""
    told = json.loads(str(arrays["told"]))
    found = {name: value for name, value in (*told.items(), *arrays.items()) if name.startswith("survey.")}
    values = {name.removeprefix("survey."): value for name, value in found.items()}
    beam = values["beam"]
    if beam is not None:
        values["beam"] = Beam(center=(beam["center"][0], beam["center"][1]), radius=beam["radius"])
    values["warnings"] = tuple(values["warnings"])
    values["cleaning"] = tuple(CleaningStep(**step) for step in told["cleaning"])
    source = make_source(scan, crop=settings.crop, bin=settings.bin, block_bytes=told["block_bytes"])
    repair = _unpack_repair(arrays, told, source.geometry)
    source = replace(source, window=replace(source.window, offset=told["offset"], repair=repair))
    prepared = Prepared(source=source, survey=Survey(**values), nan_pixels=arrays["nan_pixels"])
    return prepared, arrays.get("mask")


def _unpack_repair(arrays: Mapping[str, AnyArray], told: Mapping[str, Any], geometry: Geometry) -> Repair | None:
    if "level" not in told:
        return None
    terms = arrays.get("repair.descan")
    return Repair(
        bad=arrays["repair.bad"],
        around=arrays["repair.around"],
        level=told["level"],
        descan=None if terms is None else Descan(scan_shape=geometry.scan_shape, terms=terms),
    )


def _is_own(path: Path) -> bool:
    """Tell whether a file has a name that checkpoints give, or is the folder of a finished run."""
    if path.is_dir():
        return path.suffix == ".part" or (path / RUN_MARK).is_file()
    return path.name in {SETTINGS_FILE, SOURCE_FILE} or path.suffix in {STEP_SUFFIX, ".part"}


def _facts(scan: Scan) -> dict[str, Any]:
    """Absolute path, size, time of the last change (ns) and digest of the file or folder of a scan."""
    path = Path(os.path.abspath(scan.metadata["path"]))  # noqa: PTH100 - a link must keep its neighbours
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    found = [file.stat() for file in files]
    return {
        "path": str(path),
        "bytes": sum(stat.st_size for stat in found),
        "modified": max((stat.st_mtime_ns for stat in found), default=0),
        "digest": source_digest(scan),
    }


def _opened(scan: Scan) -> dict[str, Any]:
    """Tell how a scan was opened, as JSON gives it back: shapes, calibration, type, dataset."""
    told = {**asdict(scan.geometry), "dtype": str(scan.patterns.dtype), "dataset": scan.metadata.get("dataset")}
    again: dict[str, Any] = json.loads(json.dumps(told))
    return again


def _same_file(one: str | Path, other: str | Path) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _shown(value: object) -> str:
    """Write a setting as the command line does."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

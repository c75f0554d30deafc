"""Several filters on one scan, as a notebook and the command line use it."""

import warnings
from pathlib import Path
from typing import Any

from unmix4d.api import open_scan
from unmix4d.checkpoint import Checkpoint
from unmix4d.config import Settings
from unmix4d.errors import Unmix4dWarning
from unmix4d.filter_study.runs import plans_of
from unmix4d.filter_study.settings import StudySettings
from unmix4d.filter_study.study import FilterStudy, plan_study, resumed_settings, study_filters
from unmix4d.watch import Progress, silent

__all__ = ["FilterStudy", "check_output", "compare_filters", "kept_settings", "plan", "resume"]


def compare_filters(
    source: Any,  # noqa: ANN401 - as unmix
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
    **options: Any,  # noqa: ANN401 - settings by name
) -> FilterStudy:
    """Analyse a scan with several filters, and see what they change.

    Parameters
    ----------
    source : path, array, dask array, HyperSpy signal or Scan
        Opened and surveyed once for all filters.
    settings : Settings or StudySettings, optional
        ``filter`` and ``compare_to`` are set for each run.
    progress : callable
        ``progress(stage, done, total)``; the run of each filter is one stage.
    checkpoint : path, optional
        Folder to keep finished steps and runs in, for a source that is a file; see `unmix`. The run folders in it
        move when the comparison is saved.
    **options
        Any setting by name, and ``filters`` (raw, mean, gated-mean and epattern by default) and ``reference``, the
        filter that the others are matched to (raw, if it is one of them).

    Returns
    -------
    FilterStudy
        Its ``comparison`` holds all that was found; ``result(name)`` gives the run of one filter.

    Raises
    ------
    Unmix4dError
        One sentence: what was found, what was expected, what to do.

    Examples
    --------
    >>> import unmix4d
    >>> study = unmix4d.compare_filters(unmix4d.make_demo_scan(), filters=("raw", "mean"))  # doctest: +SKIP
    >>> study.advice.name, study.advice.reason  # doctest: +SKIP
    """
    chosen = _as_study(settings).updated(**options)
    scan = open_scan(source, chosen)
    plans_of(scan, chosen)  # what is refused must not replace the work of another
    if checkpoint is None:
        return study_filters(scan, chosen, progress=progress)
    kept = Checkpoint(Path(checkpoint))
    if kept.exists():
        warnings.warn(
            f"unfinished work was found in {kept.folder} and is replaced; --resume goes on with it",
            Unmix4dWarning,
            stacklevel=2,
        )
    kept.begin(scan, chosen)
    with kept.working():
        return study_filters(scan, chosen, progress=progress, kept=kept)


def resume(
    checkpoint: str | Path,
    source: Any = None,  # noqa: ANN401 - a path or a Scan
    *,
    progress: Progress = silent,
    **options: Any,  # noqa: ANN401 - settings by name
) -> FilterStudy:
    """Go on with an interrupted comparison; filters that are finished are not repeated.

    Parameters
    ----------
    checkpoint : path
        The folder that ``compare_filters`` was given; of the command line, ``OUT.unfinished``.
    source : path or Scan, optional
        The same scan; needed only if it was opened with options that are not settings.
    progress : callable
    **options
        Settings by name; only ``threads``, ``workers``, ``scheduler`` and ``memory`` may be new.

    Raises
    ------
    UsageError
        If there is nothing to resume, or the scan or a setting is another one.
    InputError
        If the file of the scan changed since.
    """
    kept = Checkpoint(Path(checkpoint))
    settings = resumed_settings(kept, **options)
    scan = open_scan(kept.source() if source is None else source, settings)
    kept.check(scan)
    with kept.working():
        return study_filters(scan, settings, progress=progress, kept=kept)


def kept_settings(checkpoint: Checkpoint, **options: Any) -> StudySettings:  # noqa: ANN401 - settings by name
    """Give the settings of an interrupted comparison; errors as in `resume`."""
    return resumed_settings(checkpoint, **options)


def plan(source: Any, settings: StudySettings) -> dict[str, Any]:  # noqa: ANN401 - as unmix
    """Tell what a comparison would take, without doing it: bytes, and seconds of each filter and of all."""
    return plan_study(open_scan(source, settings), settings)


def check_output(folder: str | Path, *, overwrite: bool = False) -> None:
    """Make sure that the folder of a comparison can be written, before any work is done.

    Raises
    ------
    UsageError
        If it exists, is not empty, and ``overwrite`` is False or it holds anything but an earlier comparison.
    ResourceError
        If it cannot be written.
    """
    from unmix4d.report.filters.folder import check_filters_folder  # noqa: PLC0415 - only when something is written

    check_filters_folder(Path(folder), overwrite=overwrite)


def _as_study(settings: Settings | None) -> StudySettings:
    """Take the settings of a single run for those of a comparison too."""
    if settings is None or isinstance(settings, StudySettings):
        return settings or StudySettings()
    return StudySettings(**dict(settings))

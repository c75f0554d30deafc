"""What a notebook uses: open a scan, unmix it, look at the run, keep it."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmix4d.checkpoint import Checkpoint, unfinished
from unmix4d.config import Settings
from unmix4d.errors import Unmix4dWarning
from unmix4d.explore.opening import need, read_scan, run_routes
from unmix4d.pipeline import run as run_pipeline
from unmix4d.plan import make_plan
from unmix4d.read import identity
from unmix4d.read.phantom import PhantomSpec, make_phantom
from unmix4d.records import ClusterComparison, ClusterMap, Decision, Edits, OverlapMap, PaperAnswer, RunResult, Scan
from unmix4d.watch import Progress, silent

if TYPE_CHECKING:
    from unmix4d.explore.widget import ExplorerWidget

__all__ = [
    "READING",
    "Run",
    "Settings",
    "check_output",
    "describe",
    "make_demo_scan",
    "open_scan",
    "plan",
    "unfinished",
    "unmix",
]

READING = ("scan_shape", "scan_step", "pattern_step", "voltage", "camera_length", "pixel", "dataset")


def open_scan(source: Any, settings: Settings | None = None, **options: Any) -> Scan:  # noqa: ANN401 - many types
    """Open a scan without reading its patterns.

    Parameters
    ----------
    source : path, array, dask array or HyperSpy signal
    settings : Settings, optional
        Of which the reading ones are used.
    **options
        Reading settings by name: ``scan_shape``, ``scan_step`` (nm), ``pattern_step`` (1/Å), ``voltage`` (kV),
        ``camera_length`` (mm), ``pixel`` (µm), ``dataset``.

    Returns
    -------
    Scan

    Raises
    ------
    InputError, UsageError
        If it cannot be read, or if an option is missing or does not fit.
    """
    if isinstance(source, Scan):
        return source
    chosen = (settings or Settings()).updated(**options)
    return read_scan(source, chosen)


def unmix(
    source: Any,  # noqa: ANN401 - a path, an array or a signal
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
    **options: Any,  # noqa: ANN401 - settings by name
) -> "Run":
    """Find out how many crystals a scan holds, where they are and where they overlap.

    Parameters
    ----------
    source : path, array, dask array, HyperSpy signal or Scan
    settings : Settings, optional
    progress : callable
        ``progress(stage, done, total)``.
    checkpoint : path, optional
        Folder to keep every finished step in, for a source that is a file: :meth:`Run.resume` goes on from there if
        the run is interrupted. It is made, and is yours to delete; unfinished work in it is replaced.
    **options
        Any setting by name, such as ``filter="mean"`` or ``k=8``; they override ``settings``.

    Returns
    -------
    Run

    Raises
    ------
    Unmix4dError
        One sentence: what was found, what was expected, what to do.

    Examples
    --------
    >>> import unmix4d
    >>> run = unmix4d.unmix(unmix4d.make_demo_scan(), k_max=8)  # doctest: +SKIP
    >>> run.decision.n_crystals  # doctest: +SKIP
    """
    chosen = (settings or Settings()).updated(**options)
    scan = open_scan(source, chosen)
    if checkpoint is None:
        return Run(result=run_pipeline(scan, chosen, progress=progress), settings=chosen)
    make_plan(scan, chosen)  # a run that is refused must not replace the work of another
    kept = Checkpoint(Path(checkpoint))
    if kept.exists():
        warnings.warn(
            f"unfinished work was found in {kept.folder} and is replaced; with --resume a run goes on with it",
            Unmix4dWarning,
            stacklevel=2,
        )
    kept.begin(scan, chosen)
    return _run_kept(scan, chosen, progress, kept)


def _run_kept(scan: Scan, settings: Settings, progress: Progress, kept: Checkpoint) -> "Run":
    with kept.working():
        return Run(result=run_pipeline(scan, settings, progress=progress, keeper=kept), settings=settings)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One finished run: the answer, the settings that made it, and its folder if it was loaded from there."""

    result: RunResult
    settings: Settings
    folder: Path | None = None

    @property
    def decision(self) -> Decision:
        """How many components and crystals, and why."""
        return self.result.decision

    @property
    def clusters(self) -> ClusterMap:
        """Which crystal is where."""
        return self.result.clusters

    @property
    def overlap(self) -> OverlapMap:
        """Where two crystals share a probe."""
        return self.result.overlap

    @property
    def comparison(self) -> ClusterComparison:
        """How well each cluster stands for the measured patterns."""
        return self.result.comparison

    @property
    def paper(self) -> PaperAnswer | None:
        """What the paper's procedure finds; None without ``mode="paper"``."""
        return self.result.paper

    @classmethod
    def resume(
        cls,
        checkpoint: str | Path,
        source: Any = None,  # noqa: ANN401 - a path or a Scan
        *,
        progress: Progress = silent,
        **options: Any,  # noqa: ANN401 - settings by name
    ) -> "Run":
        """Go on with an interrupted run from its last finished step.

        The answer equals that of a run that was never interrupted, bit for bit.

        Parameters
        ----------
        checkpoint : path
            The folder that ``unmix`` was given; of the command line, ``OUT.unfinished`` beside the run folder.
        source : path or Scan, optional
            The same scan; needed only if it was opened with options that are not settings of the run.
        progress : callable
            ``progress(stage, done, total)``.
        **options
            Settings by name. Those that no kept step depends on may be new (``threads``, ``workers``,
            ``scheduler``, ``memory``, ``background``, ``crystals``, ``compare_to``, ``trajectory``, ``keep``);
            others must agree.

        Returns
        -------
        Run

        Raises
        ------
        UsageError
            If there is nothing to resume, the scan or a setting is another one, or another version of unmix4d
            left it.
        InputError
            If the file of the scan changed since.
        """
        kept = Checkpoint(Path(checkpoint))
        settings = kept.settings(**options)
        scan = open_scan(kept.source() if source is None else source, settings)
        kept.check(scan)
        return _run_kept(scan, settings, progress, kept)

    def report(self, path: str | Path) -> Path:
        """Write the self-contained HTML report and give its path."""
        from unmix4d.report.html import write_report  # noqa: PLC0415 - loads the drawing libraries

        write_report(self.result, Path(path))
        return Path(path)

    def figures(self, folder: str | Path) -> Path:
        """Write every figure as PNG and SVG into a folder, which is made if need be, and give its path."""
        from unmix4d.report.folder import write_figures  # noqa: PLC0415 - loads the drawing libraries

        write_figures(self.result, Path(folder))
        return Path(folder)

    def to_hyperspy(self) -> Any:  # noqa: ANN401 - hyperspy is not imported for its types
        """Give a lazy HyperSpy signal of the model, whose ``learning_results`` HyperSpy's own plots draw."""
        from unmix4d.report.signals import to_hyperspy  # noqa: PLC0415 - needs hyperspy

        return to_hyperspy(self.result)

    def to_xarray(self) -> Any:  # noqa: ANN401 - xarray is not imported for its types
        """Give components, weights, maps and overlap as an xarray Dataset with calibrated coordinates."""
        from unmix4d.report.signals import to_xarray  # noqa: PLC0415 - needs xarray

        return to_xarray(self.result)

    def explore(self, source: Any = None) -> "ExplorerWidget":  # noqa: ANN401 - as open_scan
        """Show the run in a notebook: maps, patterns, overlap, other k, virtual images.

        Parameters
        ----------
        source : path, array, signal or Scan, optional
            The scan, for its measured patterns; by default the file that was run on, if it is still there.

        Returns
        -------
        ExplorerWidget

        Raises
        ------
        UsageError
            If the extra ``ui`` is not installed, or the scan does not fit the run.
        """
        need("anywidget", "starlette")
        from unmix4d.explore.widget import ExplorerWidget  # noqa: PLC0415 - needs the extra

        return ExplorerWidget(run_routes(self.result, source, self.settings, folder=self.folder))

    def edited(self, edits: Edits | str | Path | None = None) -> "Run":
        """Give the run as edits by hand leave it: names, colours, merged, marked and split crystals.

        Parameters
        ----------
        edits : Edits or path, optional
            ``run.explore().edits``, or a file; by default ``edits.yaml`` of the folder that was loaded.

        Raises
        ------
        UsageError, InputError
            If there is no such file, it is not as it should be, or it belongs to another run.
        """
        from unmix4d.edit.apply import edited, edits_of  # noqa: PLC0415 - loads scipy

        return replace(self, result=edited(self.result, edits_of(self.result, self.folder, edits)))

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the run folder: settings, result, report, figures, tables, signals and edits; give its path.

        Raises
        ------
        UsageError
            If the folder exists, is not empty, and ``overwrite`` is False.
        ResourceError
            If it cannot be written; nothing half-written is left.
        """
        from unmix4d.report.folder import write_run_folder  # noqa: PLC0415 - loads the drawing libraries

        write_run_folder(
            self.result,
            Path(folder),
            settings_yaml=self.settings.to_yaml(),
            keep=self.settings.keep,
            overwrite=overwrite,
        )
        if self.result.edits is not None:
            from unmix4d.edit.file import FILE_NAME, save_edits  # noqa: PLC0415 - only then

            save_edits(self.result.edits, Path(folder) / FILE_NAME)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> "Run":
        """Read a run folder back, without edits by hand: see :meth:`edited`.

        Raises
        ------
        InputError
            If it is not the folder of a run, or its ``result.h5`` is damaged.
        """
        from unmix4d.report.store import load_result  # noqa: PLC0415 - loads h5py

        result = load_result(Path(folder) / "result.h5")
        settings = Settings.model_validate(dict(result.record.settings))
        return cls(result=result, settings=settings, folder=Path(folder))


def check_output(folder: str | Path, *, overwrite: bool = False) -> None:
    """Make sure that a run folder can be written, before any work is done.

    Raises
    ------
    UsageError
        If it exists, is not empty, and ``overwrite`` is False.
    ResourceError
        If it cannot be written.
    """
    from unmix4d.report.folder import check_folder  # noqa: PLC0415 - only when something is written

    check_folder(Path(folder), overwrite=overwrite)


def plan(source: Any, settings: Settings | None = None) -> dict[str, Any]:  # noqa: ANN401 - as unmix
    """Tell what a run would take, without running it: blocks, bytes and passes over the data."""
    chosen = settings or Settings()
    return make_plan(open_scan(source, chosen), chosen, timed=True).as_dict()


def describe(scan: Scan) -> dict[str, object]:
    """Tell what was found in a file: shapes, type, calibration, size."""
    return identity.describe(scan)


def make_demo_scan(seed: int = 0) -> Scan:
    """Make the simulated scan of ``unmix4d demo``."""
    return make_phantom(PhantomSpec(seed=seed)).scan

"""The folder of a comparison of filters: page, figures, tables, settings, and the run of each filter."""

from collections.abc import Callable
from pathlib import Path

from unmix4d.records import FilterComparison
from unmix4d.report.export import write_table
from unmix4d.report.files import Owned, check_folder, folder_written_whole
from unmix4d.report.filters.tables import TABLES

PAGE = "compare.html"
SETTINGS_FILE = "compare.yaml"
PNG_DPI = 200
OWNED = Owned(
    mark=SETTINGS_FILE,
    names=frozenset({PAGE, SETTINGS_FILE, "figures", *(f"{name}.csv" for name in TABLES)}),
    runs=True,
)


def check_filters_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Make sure that the folder of a comparison can be made or replaced, before any work is done.

    Raises
    ------
    UsageError
        If it exists, is not empty, and ``overwrite`` is False or it holds anything but an earlier comparison.
    ResourceError
        If it cannot be written.
    """
    check_folder(folder, overwrite=overwrite, owned=OWNED)


def write_filters_folder(
    comparison: FilterComparison,
    folder: Path,
    *,
    settings_yaml: str,
    write_run: Callable[[str, Path], None],
    overwrite: bool = False,
) -> None:
    """Write the folder of a comparison beside its final name and rename it when it is complete.

    Parameters
    ----------
    comparison : FilterComparison
    folder : Path
    settings_yaml : str
        For ``compare.yaml``.
    write_run : callable
        ``write_run(name, place)`` brings the run folder of a filter to its place; called last.
    overwrite : bool
        Replace the folder of an earlier comparison, once the new one is complete.

    Raises
    ------
    UsageError, ResourceError
        As in `check_filters_folder`; nothing half-written is left.
    """
    from unmix4d.report.filters.figures import FIGURES  # noqa: PLC0415 - loads the drawing libraries
    from unmix4d.report.filters.page import write_page  # noqa: PLC0415

    with folder_written_whole(folder, overwrite=overwrite, owned=OWNED) as part:
        (part / SETTINGS_FILE).write_text(settings_yaml, encoding="utf-8")
        for name, table in TABLES.items():
            write_table(part / f"{name}.csv", table(comparison))
        (part / "figures").mkdir()
        for name, draw in FIGURES.items():
            draw(comparison).savefig(part / "figures" / f"{name}.png", dpi=PNG_DPI)
        write_page(comparison, part / PAGE)
        for name in comparison.names:
            write_run(name, part / name)

"""The run folder: everything about one run, whole or not at all (design, section 7)."""

import json
from collections.abc import Sequence
from pathlib import Path

from unmix4d import registry
from unmix4d.records import RunResult
from unmix4d.report.files import as_resource_error, check_folder, folder_written_whole, written_whole
from unmix4d.report.store import Keep, provenance, save_result

EXPORTERS = ("hspy", "tiff", "csv")
PNG_DPI = 200

__all__ = ["check_folder", "write_figures", "write_run_folder"]


def write_run_folder(
    result: RunResult,
    folder: Path,
    *,
    settings_yaml: str,
    keep: Keep = "range",
    overwrite: bool = False,
    exporters: Sequence[str] = EXPORTERS,
) -> None:
    """Write a run folder beside its final name and rename it when it is complete.

    ``result.h5`` holds the result as it was found, all else follows the edits by hand that it has.

    Parameters
    ----------
    result : RunResult
    folder : Path
    settings_yaml : str
        For ``run.yaml``.
    keep : {"chosen", "range", "all"}
        Whose components and weights ``result.h5`` keeps.
    overwrite : bool
        Replace the folder of an earlier run, once the new one is complete.
    exporters : sequence of str
        Names of exporters.

    Raises
    ------
    UsageError
        If the folder is not empty and ``overwrite`` is False or it does not hold an earlier run, or an
        exporter does not exist.
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    from unmix4d.report.html import write_report  # noqa: PLC0415 - loads the drawing libraries

    writers = [registry.load("exporters", name)() for name in exporters]
    with folder_written_whole(folder, overwrite=overwrite) as part:
        (part / "run.yaml").write_text(settings_yaml, encoding="utf-8")
        told = json.dumps(provenance(result.record), indent=2, ensure_ascii=False)
        (part / "provenance.json").write_text(told, encoding="utf-8")
        save_result(result.as_found, part / "result.h5", keep=keep)
        for writer in writers:
            writer.write(result, part)
        write_figures(result, part / "figures")
        write_report(result, part / "report.html")


def write_figures(result: RunResult, folder: Path) -> None:
    """Draw every figure as PNG and SVG.

    Raises
    ------
    ResourceError
        If they cannot be written.
    """
    from unmix4d.report.figures import figures_of  # noqa: PLC0415 - loads the drawing libraries

    try:
        folder.mkdir(exist_ok=True)
        for name, draw in figures_of(result).items():
            figure = draw(result)
            for ending in ("png", "svg"):
                with written_whole(folder / f"{name}.{ending}") as part:
                    figure.savefig(part, format=ending, dpi=PNG_DPI if ending == "png" else "figure")
    except OSError as error:
        raise as_resource_error(error, folder) from error

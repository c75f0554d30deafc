"""Several scans in one go, with one table of all."""

import csv
import io
import json as to_json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from unmix4d.cli.leaving import explain
from unmix4d.cli.work import progress_shown
from unmix4d.config import Settings
from unmix4d.errors import UsageError

TABLE = "scans.csv"
COLUMNS = (
    *("scan", "status", "n_crystals", "k", "k_low", "k_high", "confidence", "overlap_share", "seconds"),
    *("folder", "message"),
)
SHOWN = ("scan", "status", "n_crystals", "k", "confidence", "overlap_share", "seconds")


def run_all(
    scans: Sequence[Path], wanted: dict[str, Any], out: Path, *, overwrite: bool, as_json: bool, quiet: bool
) -> int:
    """Run on every scan, into a folder of its own in ``out``, and keep one table of all; give the exit code.

    A scan that fails does not stop the others; the exit code is 0 if none failed, else that of the first that did.
    """
    settings = Settings().updated(**wanted)
    folders = _folders(scans, out)
    rows: list[dict[str, Any]] = []
    first_code = 0
    for scan, folder in zip(scans, folders, strict=True):
        row, code = _run_one(scan, settings, folder, overwrite=overwrite, quiet=quiet)
        rows.append(row)
        first_code = first_code or code
        _write_table(out / TABLE, rows)
    _print_rows(rows, as_json=as_json)
    return first_code


def _folders(scans: Sequence[Path], out: Path) -> list[Path]:
    """Give each scan a folder with its name, with the suffix where names without it are not unique."""
    if (out / "result.h5").exists() or out.is_file():
        kind = "a file" if out.is_file() else "a run"
        raise UsageError(f"{out} is {kind}; several scans need a folder that holds their runs")
    stems = Counter(scan.resolve().stem for scan in scans)
    names = [path.stem if stems[path.stem] == 1 else path.name for path in (scan.resolve() for scan in scans)]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise UsageError(f"several scans are named {twice[0]}: rename them, or run them one by one")
    return [out / name for name in names]


def _run_one(
    scan: Path, settings: Settings, folder: Path, *, overwrite: bool, quiet: bool
) -> tuple[dict[str, Any], int]:
    """Run on one scan; give its row of the table and its exit code."""
    from unmix4d import api

    start = time.perf_counter()
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"scan": str(scan), "folder": str(folder)}
    typer.echo(f"--- {scan}", err=True)
    try:
        api.check_output(folder, overwrite=overwrite)
        kept = api.unfinished(folder)
        with progress_shown(quiet=quiet) as progress:
            done = api.unmix(scan, settings, progress=progress, checkpoint=kept.folder)
            done.save(folder, overwrite=overwrite)
        kept.remove()
    except Exception as error:  # noqa: BLE001 - one scan must not stop the others
        code, sentence = explain(error)
        typer.echo(sentence, err=True)
        seconds = round(time.perf_counter() - start, 1)
        return row | {"status": "failed", "message": sentence, "seconds": seconds}, code
    decision = done.decision
    row |= {name: getattr(decision, name) for name in ("n_crystals", "k", "k_low", "k_high", "confidence")}
    share = float((done.overlap.level >= 1).mean())
    row |= {"status": "done", "overlap_share": round(share, 4), "message": decision.reason}
    return row | {"seconds": round(time.perf_counter() - start, 1)}, 0


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the table of what is finished, after each scan."""
    from unmix4d.write.whole import written_whole

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8", newline="")


def _print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json.dumps({"scans": rows}, ensure_ascii=False))
        return
    lines = [SHOWN, *([str(row[name]) for name in SHOWN] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(SHOWN))]
    for line in lines:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())

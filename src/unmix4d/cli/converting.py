"""The command that writes a scan in another format."""

from pathlib import Path
from typing import Annotated, Any

import typer

from unmix4d.cli.answers import print_mapping
from unmix4d.cli.commands import READING, JsonOption, QuietOption, RunArgument, ScanArgument, app
from unmix4d.cli.options import given, with_settings
from unmix4d.cli.work import progress_shown

OF_THE_FILE = {
    "dtype": Annotated[
        str | None, typer.Option(metavar="TYPE", help="Type to write, such as uint16, if the format has several.")
    ],
    "beam_energy": Annotated[
        float | None, typer.Option(metavar="KEV", help="Beam energy, where the file does not say; .blo needs it.")
    ],
}


@app.command()
@with_settings(*READING, "memory", more=OF_THE_FILE)
def convert(
    scan: ScanArgument,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; without a suffix, a folder of frames.")
    ],
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="blo, mib, mrc, hspy, zspy, h5, npy, npz, tif, bmp, png or tifs."),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            metavar="auto|clip|linear|sqrt",
            help="Counts that the format cannot hold: cut them, or make the largest count the largest number; auto "
            "keeps counts where it can and is linear where it must.",
        ),
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    **options: str | None,
) -> None:
    """Write a scan in another format, block by block, with its calibration."""
    from unmix4d import conversion

    chosen: dict[str, Any] = dict(given(options))
    with progress_shown(quiet=quiet) as progress:
        told = conversion.convert(
            scan,
            out,
            to=to,
            scale=scale,  # type: ignore[arg-type]  # checked there
            overwrite=overwrite,
            progress=progress,
            **chosen,
        )
    print_mapping(told, as_json=json)


OF_THE_PATTERNS = {
    "scan": Annotated[
        Path | None, typer.Option(metavar="SCAN", help="The scan of the run, if it is not where it was.")
    ],
    "to": Annotated[str | None, typer.Option(metavar="FORMAT", help="blo, bmp or another that convert writes.")],
    "least_ratio": Annotated[
        float | None,
        typer.Option(
            metavar="RATIO", help="Second over first crystal from which a second one counts. Default: 0.25."
        ),
    ],
    "beam_energy": OF_THE_FILE["beam_energy"],
}


@app.command()
@with_settings(*READING, "memory", more=OF_THE_PATTERNS)
def astar(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A .blo; without a suffix, a folder of .bmp frames.")],
    *,
    patterns: Annotated[
        str,
        typer.Option(
            metavar="cleaned|second|class-mean|classes",
            help="Cleaned patterns; the second crystal's share of them; the mean of its cluster at each probe; one "
            "mean for each crystal.",
        ),
    ] = "cleaned",
    scale: Annotated[
        str, typer.Option(metavar="auto|clip|linear|sqrt", help="How counts become 8 bits, as in convert.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    **options: str | None,
) -> None:
    """Write patterns of a run for indexing by ASTAR, with a text that says what they are."""
    from unmix4d.api import Run
    from unmix4d.astar import export_astar

    chosen: dict[str, Any] = dict(given(options))
    with progress_shown(quiet=quiet) as progress:
        told = export_astar(
            Run.load(run),
            out,
            patterns=patterns,  # type: ignore[arg-type]  # checked there
            scale=scale,  # type: ignore[arg-type]  # checked there
            overwrite=overwrite,
            progress=progress,
            **chosen,
        )
    print_mapping(told, as_json=json)

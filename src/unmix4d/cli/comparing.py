"""The command that sets two runs side by side."""

import json as to_json

import typer

from unmix4d.cli.commands import JsonOption, RunArgument, app


@app.command()
def compare(first: RunArgument, second: RunArgument, *, json: JsonOption = False) -> None:
    """Say how alike two runs are: k, crystals, labels (adjusted Rand index), components (cosine)."""
    from unmix4d.api import Run
    from unmix4d.likeness import compare_runs

    told = compare_runs(Run.load(first), Run.load(second))
    if json:
        typer.echo(to_json.dumps(told, ensure_ascii=False))
        return
    index = "not defined" if told["adjusted_rand"] is None else f"{told['adjusted_rand']:.4f}"
    typer.echo(f"same scan: {'yes' if told['same_scan'] else 'no'}")
    typer.echo(
        f"k: {told['k'][0]} and {told['k'][1]}; crystals: {told['n_crystals'][0]} and {told['n_crystals'][1]}"
    )
    typer.echo(f"labels: adjusted Rand index {index}, {told['same_probes']:.2%} of the probes agree")
    for pair in told["components"]:
        typer.echo(f"component {pair['first']} is {pair['second']}: cosine {pair['cosine']:.4f}")
    for which, alone in told["alone"].items():
        if alone:
            typer.echo(f"only in the {which}: component {', '.join(map(str, alone))}")
    for name, values in told["settings"].items():
        typer.echo(f"setting {name}: {values[0]} and {values[1]}")

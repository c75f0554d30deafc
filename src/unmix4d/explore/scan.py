"""What the server answers about a scan without a run: patterns, first and exact sums, and a run that is started."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from unmix4d import registry
from unmix4d.config import Settings
from unmix4d.errors import UsageError
from unmix4d.explore.job import Job, Wish
from unmix4d.explore.look import Look
from unmix4d.explore.server import (
    BINARY,
    HEADERS,
    SCRIPT,
    BaseRoutes,
    asked_detector,
    bare_app,
    make_routes,
    page,
)
from unmix4d.explore.source import PatternSource, whole_source
from unmix4d.prepare.tiles import Tile
from unmix4d.records import AnyArray, Scan
from unmix4d.report.store import load_result
from unmix4d.report.viewer import script
from unmix4d.report.viewer.arrays import Kind, Stored, pack

START = """import { exploreScan, ServedScan } from "./explorer.js";
await exploreScan(document.querySelector("[data-explorer]"), new ServedScan());
"""
KINDS: dict[str, Kind] = {"u1": "u1", "u2": "u2"}
"""Types that the browser takes as they are stored; all others go as float32."""

REFUSED = 400


@dataclass(slots=True, kw_only=True, eq=False)
class Finished:
    """The explorer of the run that was finished last, below the page of the scan."""

    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        nothing = PlainTextResponse("no run has been finished here yet", 404, HEADERS)
        await (self.app or nothing)(scope, receive, send)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanRoutes(BaseRoutes):
    """Answers about a scan."""

    scan: Scan
    look: Look
    job: Job
    finished: Finished

    def table(self) -> list[BaseRoute]:
        """List what is answered."""
        return [
            *BaseRoutes.table(self),
            Route("/sample", self.sample),
            Route("/quick", self.quick),
            Route("/sums", self.sums),
            Route("/job", self.told),
            Route("/kept", self.kept),
            Route("/job/start", self.begin, methods=["POST"]),
            Route("/job/cancel", self.cancel, methods=["POST"]),
            Mount("/run", app=self.finished),
        ]

    def close(self) -> None:
        """End the run that goes on."""
        self.job.end()

    def page(self, _request: Request) -> Response:
        """Give the page that holds the explorer."""
        (sy, sx), (py, px) = self.scan.geometry.scan_shape, self.scan.geometry.pattern_shape
        return page(self.job.scan.name, f"{sy} × {sx} patterns of {py} × {px} pixels", " ".join(self.notes))

    def module(self, _request: Request) -> Response:
        """Give the script."""
        return Response(script.script(scan=True), media_type=SCRIPT, headers=HEADERS)

    def start(self, _request: Request) -> Response:
        """Give what starts the script."""
        return Response(START, media_type=SCRIPT, headers=HEADERS)

    def manifest(self, _request: Request) -> Response:
        """Say what there is."""
        geometry, fields = self.scan.geometry, Settings.model_fields
        n_bytes = geometry.n_probes * geometry.n_pixels * self.scan.patterns.dtype.itemsize
        told = {
            "name": self.job.scan.name,
            "scan": {"shape": list(geometry.scan_shape), "step_nm": geometry.scan_step_nm, "stride": 1},
            "pattern": {
                "shape": list(geometry.pattern_shape),
                "step_inv_angstrom": geometry.pattern_step_inv_angstrom,
                "beam": None,
            },
            "bytes": n_bytes,
            "form": {
                "filters": list(registry.names("filters")),
                "filter": fields["filter"].default,
                "k": fields["k"].default,
                "k_max": fields["k_max"].default,
                "name": f"{self.job.scan.stem}-run",
                "parent": str(self.job.parent),
            },
            "live": True,
        }
        return JSONResponse(told, headers=HEADERS)

    def packed(self, source: PatternSource, y: int, x: int) -> bytes:
        """Pack the pattern of a probe, of the type that is stored if the browser has it."""
        counts = source.counts(Tile(rows=slice(y, y + 1), columns=slice(x, x + 1)))[0, 0]
        return pack({"measured": _stored(counts)})

    def sample(self, _request: Request) -> Response:
        """Give the mean and the largest values of the first patterns, and where the beam is in them."""
        seen = self.look.sample()
        beam = seen.beam()
        place = [] if beam is None else [*beam.center, beam.radius]
        told = {
            "mean": Stored(seen.mean(), "f4"),
            "maximum": Stored(seen.maximum(), "f4"),
            "beam": Stored(np.array(place), "f4"),
            "shape": Stored(np.array([seen.stride, *seen.shape]), "f4"),
        }
        return Response(pack(told), media_type=BINARY, headers=HEADERS)

    def quick(self, request: Request) -> Response:
        """Give the image of a detector from the first patterns."""
        image = self.look.sample().image(asked_detector(request))
        return Response(pack({"image": Stored(image, "f4")}), media_type=BINARY, headers=HEADERS)

    def sums(self, _request: Request) -> Response:
        """Read every pattern for the exact mean and the largest values; a newer request ends it."""
        return self.streamed(self.look.sums(), "sums")

    def told(self, _request: Request) -> Response:
        """Say how the run stands."""
        return JSONResponse(self.job.told(), headers=HEADERS)

    def kept(self, request: Request) -> Response:
        """Tell whether a run of this name could go on."""
        return JSONResponse({"kept": self.job.kept(request.query_params.get("name", ""))}, headers=HEADERS)

    async def begin(self, request: Request) -> Response:
        """Start a run."""
        try:
            told = json.loads(await request.body())
        except ValueError as error:
            raise HTTPException(REFUSED, "a run is asked for in JSON") from error
        try:
            await run_in_threadpool(lambda: self.job.start(Wish.of(told)))
        except UsageError as error:
            raise HTTPException(REFUSED, str(error)) from error
        return JSONResponse(self.job.told(), headers=HEADERS)

    def cancel(self, _request: Request) -> Response:
        """Interrupt the run."""
        self.job.cancel()
        return JSONResponse(self.job.told(), headers=HEADERS)


def _stored(counts: AnyArray) -> Stored:
    kind = KINDS.get(counts.dtype.newbyteorder("=").str[1:], "f4")
    return Stored(counts, kind)


def scan_routes(scan: Scan, *, reading: Mapping[str, Any], parent: Path | None = None) -> ScanRoutes:
    """Prepare to show a scan, and to run on it.

    Parameters
    ----------
    scan : Scan
        Of a file.
    reading : mapping of str to str
        Options that it was opened with, for the run.
    parent : Path, optional
        Folder that runs are written into; the scan's own by default.

    Raises
    ------
    UsageError
        If there is no such folder.
    """
    path = Path(scan.metadata["path"])
    into = path.parent if parent is None else parent
    if not into.is_dir():
        raise UsageError(f"there is no folder {into} to write runs into: make it, or give another --runs")
    finished = Finished()

    def open_run(folder: Path) -> None:
        result = load_result(folder / "result.h5")
        settings = Settings.model_validate(dict(result.record.settings))
        finished.app = bare_app(make_routes(result, settings, scan, home="../"))

    source = whole_source(scan)
    return ScanRoutes(
        source=source,
        notes=tuple(scan.metadata.get("notes", ())),
        scan=scan,
        look=Look(source=source),
        job=Job(scan=path.absolute(), parent=into.resolve(), reading=reading, open_run=open_run),
        finished=finished,
    )

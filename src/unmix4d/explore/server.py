"""The server of the explorer: a page, a run in parts, single patterns, virtual images."""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import count
from pathlib import Path
from string import Template
from threading import Lock
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from unmix4d.config import Settings
from unmix4d.errors import InputError, Unmix4dError, UsageError
from unmix4d.explore.edits import Desk
from unmix4d.explore.guard import Guard
from unmix4d.explore.signals import pattern_hspy
from unmix4d.explore.source import Detector, PatternSource, pattern_source
from unmix4d.read.identity import source_digest
from unmix4d.records import AnyArray, RunResult, Scan
from unmix4d.report.viewer import script
from unmix4d.report.viewer.arrays import Stored, pack
from unmix4d.report.viewer.book import Book

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
START = """import { explore, Served } from "./explorer.js";
await explore(document.querySelector("[data-explorer]"), new Served());
"""
BINARY = "application/octet-stream"
SCRIPT = "text/javascript"
SUPERSEDED = 409
MOST_LANES = 64
FARTHEST = 1e6
"""Pixels: no detector is larger or farther away."""


@dataclass(slots=True)
class Latest:
    """Remembers the newest request of each lane, so that older ones that still wait are dropped."""

    newest: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def note(self, lane: str, order: int) -> None:
        """Take note of a request."""
        with self.lock:
            self.newest[lane] = max(order, self.newest.pop(lane, 0))
            while len(self.newest) > MOST_LANES:
                del self.newest[next(iter(self.newest))]

    def holds(self, lane: str, order: int) -> bool:
        """Tell whether no newer request of the lane has come."""
        return order >= self.newest.get(lane, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaseRoutes:
    """Answers that every page of the explorer needs; ``source`` is None where there is no scan to read."""

    source: PatternSource | None
    notes: tuple[str, ...] = ()
    latest: Latest = field(default_factory=Latest)
    images: Iterator[int] = field(default_factory=lambda: count(1))

    def table(self) -> list[BaseRoute]:
        """List what is answered."""
        return [
            Route("/", self.page),
            Route("/explorer.js", self.module),
            Route("/start.js", self.start),
            Route("/manifest", self.manifest),
            Route("/pattern", self.pattern),
            Route("/virtual", self.virtual),
        ]

    def close(self) -> None:
        """End what goes on when the server ends."""

    def page(self, _request: Request) -> Response:
        """Give the page that holds the explorer."""
        raise NotImplementedError

    def manifest(self, _request: Request) -> Response:
        """Say what there is."""
        raise NotImplementedError

    def module(self, _request: Request) -> Response:
        """Give the script."""
        return Response(script.script(), media_type=SCRIPT, headers=HEADERS)

    def start(self, _request: Request) -> Response:
        """Give what starts the script."""
        return Response(START, media_type=SCRIPT, headers=HEADERS)

    def pattern(self, request: Request) -> Response:
        """Give the pattern of one probe, unless a newer request of its lane has come meanwhile."""
        source = self._source()
        height, width = source.source.geometry.scan_shape
        y, x = _whole(request, "y", height - 1), _whole(request, "x", width - 1)
        lane, order = request.query_params.get("lane", "")[:64], _whole(request, "order", 2**53, missing=0)
        self.latest.note(lane, order)
        # The lock is taken first: whoever waited for it may be out of date by now.
        with source.lock:
            if not self.latest.holds(lane, order):
                raise HTTPException(SUPERSEDED, "a newer request came")
        return Response(self.packed(source, y, x), media_type=BINARY, headers=HEADERS)

    def packed(self, source: PatternSource, y: int, x: int) -> bytes:
        """Pack what is shown of a probe."""
        return pattern_bytes(source, y, x)

    def virtual(self, request: Request) -> Response:
        """Give the exact image of a detector block by block; a newer image ends it."""
        source = self._source()
        return self.streamed(source.virtual(asked_detector(request)), "virtual image")

    def streamed(self, blocks: Iterator[tuple[int, AnyArray]], lane: str) -> Response:
        """Send numbers and values, as uint32 number, uint32 count, float32 values, until a newer stream begins."""
        order = next(self.images)
        self.latest.note(lane, order)

        def records() -> Iterator[bytes]:
            for first, values in blocks:
                if not self.latest.holds(lane, order):
                    return
                yield np.array([first, len(values)], "<u4").tobytes() + values.astype("<f4").tobytes()

        return StreamingResponse(records(), media_type=BINARY, headers=HEADERS)

    def _source(self) -> PatternSource:
        if self.source is None:
            raise HTTPException(404, "the scan of this run was not found: name it with --scan")
        return self.source


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Routes(BaseRoutes):
    """Answers about a run; ``home`` is the address of the page that it was started from."""

    book: Book
    desk: Desk
    home: str | None = None

    def table(self) -> list[BaseRoute]:
        """List what is answered."""
        return [
            *BaseRoutes.table(self),
            Route("/part/{name}", self.part),
            Route("/edits", self.keep, methods=["POST"]),
            Route("/hspy", self.hspy),
        ]

    def page(self, _request: Request) -> Response:
        """Give the page that holds the explorer."""
        decision = self.book.result.decision
        crystals = "1 crystal" if decision.n_crystals == 1 else f"{decision.n_crystals} crystals"
        links = "" if self.home is None else f'<a href="{html.escape(self.home)}">the scan, and another run</a>'
        return page(crystals, f"in {self.book.manifest()['name']}", " ".join(self.notes), links=links)

    def manifest(self, _request: Request) -> Response:
        """Say what there is."""
        return JSONResponse(self.told(), headers=HEADERS)

    def told(self) -> dict[str, Any]:
        """Give the manifest: of the book, whether there are patterns, and the edits."""
        return {**self.book.manifest(), "live": self.source is not None, **self.desk.told()}

    async def keep(self, request: Request) -> Response:
        """Keep the edits of the page in the run folder."""
        text = (await request.body()).decode("utf-8", errors="replace")
        try:
            words = await run_in_threadpool(self.desk.save, text)
        except (InputError, UsageError) as error:
            raise HTTPException(400, str(error)) from error
        return PlainTextResponse(words, headers=HEADERS)

    def hspy(self, request: Request) -> Response:
        """Give a pattern as a file for HyperSpy."""
        height, width = self.book.result.geometry.scan_shape
        probe = _whole(request, "y", height - 1), _whole(request, "x", width - 1)
        what, k = request.query_params.get("what", "")[:64], _whole(request, "k", 10**6)
        try:
            packed = pattern_hspy(self.book.result, self.source, what=what, k=k, probe=probe)
        except UsageError as error:
            raise HTTPException(404, str(error)) from error
        return Response(packed, media_type=BINARY, headers=HEADERS)

    def part(self, request: Request) -> Response:
        """Give the maps, or the factors of one k."""
        try:
            return Response(self.book.part(request.path_params["name"]), media_type=BINARY, headers=HEADERS)
        except KeyError as error:
            raise HTTPException(404, "there is no such part of this run") from error


def page(head: str, rest: str, notes: str, *, links: str = "") -> Response:
    """Fill the page that holds the explorer; ``links`` is HTML, everything else plain words."""
    source = files("unmix4d.explore").joinpath("page.html").read_text(encoding="utf-8")
    words = {"head": head, "rest": rest, "notes": notes}
    filled = {name: html.escape(text) for name, text in words.items()}
    return HTMLResponse(Template(source).substitute(filled, links=links, style=script.style()), headers=HEADERS)


def asked_detector(request: Request) -> Detector:
    """Take a detector from the question."""
    place = {name: _number(request, name, -FARTHEST) for name in ("cy", "cx")}
    radii = {name: _number(request, name, 0) for name in ("inner", "outer")}
    return Detector(**place, **radii)


def make_routes(
    result: RunResult,
    settings: Settings,
    scan: Scan | None,
    *,
    folder: Path | None = None,
    home: str | None = None,
) -> Routes:
    """Prepare what is served, with a note on the page where the scan is missing or is another one.

    Edits are those that the result has, else those of ``folder``, the folder of the run, where they are kept.

    Raises
    ------
    UsageError
        If the scan does not have the run's shape.
    InputError
        If the edits in the folder are not as they should be.
    """
    source = None if scan is None else pattern_source(scan, result, settings)
    notes = []
    if scan is None:
        notes.append(
            f"The scan {result.record.source} was not found: patterns are reconstructed ones. Name it with --scan."
        )
    elif source_digest(scan) != result.record.source_digest:
        notes.append(
            f"{Path(str(scan.metadata.get('path', 'The scan'))).name} is not the very file that was run on."
        )
    desk = Desk(result, folder)
    return Routes(book=Book(result=result), source=source, desk=desk, notes=tuple(notes), home=home)


def pattern_bytes(source: PatternSource, y: int, x: int) -> bytes:
    """Pack the pattern of a probe: ``measured``, and ``filtered`` if the run had a filter."""
    arrays = {"measured": Stored(source.measured(y, x), "f4")}
    filtered = source.filtered(y, x)
    if filtered is not None:
        arrays["filtered"] = Stored(filtered, "f4")
    return pack(arrays)


def make_app(routes: BaseRoutes, *, token: str, port: int) -> Guard:
    """Make the application that answers under the token, on this port of 127.0.0.1."""
    return Guard(bare_app(routes), token, port)


def bare_app(routes: BaseRoutes) -> Starlette:
    """Make the application that answers whoever was let in."""
    return Starlette(
        routes=routes.table(),
        exception_handlers={HTTPException: _say, Unmix4dError: _unreadable},  # type: ignore[dict-item]
    )


def _say(_request: Request, error: HTTPException) -> Response:
    return PlainTextResponse(error.detail, error.status_code, HEADERS)


def _unreadable(_request: Request, error: Unmix4dError) -> Response:
    return PlainTextResponse(str(error), 500, HEADERS)


def _whole(request: Request, name: str, most: int, missing: int | None = None) -> int:
    """Take a whole number from 0 to ``most`` from the question."""
    text = request.query_params.get(name)
    if text is None and missing is not None:
        return missing
    if (
        text is None
        or not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)))
        or int(text) > most
    ):
        raise HTTPException(400, f"{name} must be a whole number from 0 to {most}")
    return int(text)


def _number(request: Request, name: str, least: float) -> float:
    try:
        value = float(request.query_params.get(name, ""))
    except ValueError:
        value = math.nan
    if not least <= value <= FARTHEST:
        raise HTTPException(400, f"{name} must be a number from {least:g} to {FARTHEST:g}")
    return value

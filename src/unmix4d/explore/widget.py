"""The explorer in a notebook: the same script, and messages between it and the kernel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import anywidget
import numpy as np

from unmix4d.errors import Unmix4dError
from unmix4d.explore.server import Latest, Routes, pattern_bytes
from unmix4d.explore.signals import pattern_hspy
from unmix4d.explore.source import Detector, PatternSource
from unmix4d.records import Edits
from unmix4d.report.viewer import script

RENDER = """
export default {
  async render({ model, el }) {
    const root = document.createElement("div");
    root.dataset.explorer = "";
    root.dataset.lmSuppressShortcuts = "true"; // arrow keys step probes, not cells
    el.append(root);
    const transport = new Messaged(model);
    await explore(root, transport);
    return () => transport.close();
  },
};
"""

Question = dict[str, Any]
Send = Callable[[dict[str, Any], list[bytes]], None]


@dataclass(slots=True, eq=False)
class Answers:
    """Answers the questions of one explorer, in threads of its own so that the kernel stays free.

    A newer question of a lane ends an older one that still waits; a cancelled one is not answered any further.
    """

    routes: Routes
    send: Send
    latest: Latest = field(default_factory=Latest)
    cancelled: set[int] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)
    patterns: "SimpleQueue[Question]" = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        Thread(target=self._serve_patterns, daemon=True).start()

    def take(self, question: Question) -> None:
        """Take a question of the page: manifest, part, pattern, virtual, cancel, edits, save or hspy."""
        kind, number = question.get("ask"), question.get("id")
        if not isinstance(number, int):
            return
        if kind == "cancel":
            self.cancelled.add(number)
        elif kind == "pattern":
            self.latest.note(str(question.get("lane"))[:64], number)
            self.patterns.put(question)
        elif kind == "virtual":
            self.latest.note("virtual image", number)
            Thread(target=self._guarded, args=(self._virtual, question), daemon=True).start()
        elif kind in {"manifest", "part"}:
            self._guarded(self._described, question)
        elif kind in {"edits", "save"}:
            self._guarded(self._edited, question)
        elif kind == "hspy":
            Thread(target=self._guarded, args=(self._hspy, question), daemon=True).start()

    def _serve_patterns(self) -> None:
        while True:
            question = self.patterns.get()
            if self.latest.holds(str(question.get("lane"))[:64], question["id"]):
                self._guarded(self._pattern, question)

    def _guarded(self, answer: Callable[[Question], None], question: Question) -> None:
        """Answer, or say in a sentence why not."""
        try:
            answer(question)
        except (Unmix4dError, KeyError, TypeError, ValueError) as error:
            words = str(error) if isinstance(error, Unmix4dError) else "there is no such thing in this run"
            self._tell(question, {"error": words})

    def _described(self, question: Question) -> None:
        book = self.routes.book
        if question["ask"] == "manifest":
            self._tell(question, {"last": True, "manifest": self.routes.told()})
        else:
            self._tell(question, {"last": True}, book.part(str(question["name"])))

    def _edited(self, question: Question) -> None:
        desk, text = self.routes.desk, str(question["text"])
        words = desk.save(text) if question["ask"] == "save" else f"{len(desk.take(text).operations)} edits"
        self._tell(question, {"last": True, "words": words})

    def _hspy(self, question: Question) -> None:
        y, x = self._place(question)
        what, k = str(question["what"]), int(question["k"])
        result, source = self.routes.book.result, self.routes.source
        self._tell(question, {"last": True}, pattern_hspy(result, source, what=what, k=k, probe=(y, x)))

    def _place(self, question: Question) -> tuple[int, int]:
        y, x = int(question["y"]), int(question["x"])
        height, width = self.routes.book.result.geometry.scan_shape
        if not (0 <= y < height and 0 <= x < width):
            raise KeyError(y, x)
        return y, x

    def _pattern(self, question: Question) -> None:
        y, x = self._place(question)
        self._tell(question, {"last": True}, pattern_bytes(self._source(), y, x))

    def _virtual(self, question: Question) -> None:
        detector = Detector(**{name: float(question[name]) for name in ("cy", "cx", "inner", "outer")})
        for first, values in self._source().virtual(detector):
            if question["id"] in self.cancelled or not self.latest.holds("virtual image", question["id"]):
                return
            self._tell(question, {"first": first}, np.asarray(values, "<f4").tobytes())
        self._tell(question, {"last": True})

    def _source(self) -> PatternSource:
        if self.routes.source is None:
            raise KeyError("scan")
        return self.routes.source

    def _tell(self, question: Question, answer: dict[str, Any], *buffers: bytes) -> None:
        with self.lock:  # one message at a time leaves the kernel
            self.send({"id": question["id"], **answer}, list(buffers))


class ExplorerWidget(anywidget.AnyWidget):
    """A run and its scan in a cell of a notebook."""

    _esm = script.script() + RENDER
    _css = script.style()

    def __init__(self, routes: Routes) -> None:
        super().__init__()
        self._desk = routes.desk
        self._answers = Answers(routes, self.send)
        self.on_msg(lambda _widget, question, _buffers: self._answers.take(question))

    @property
    def edits(self) -> Edits:
        """The edits by hand as the page has them; ``run.edited(explorer.edits)`` gives the run that they make."""
        return self._desk.edits

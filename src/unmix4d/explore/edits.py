"""The edits of the run that is shown: taken from the page, checked, and kept in the run folder."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from unmix4d.edit.apply import check_run, edited, edits_of
from unmix4d.edit.file import FILE_NAME, parse_edits, save_edits
from unmix4d.errors import UsageError
from unmix4d.records import Edits, RunResult


@dataclass(slots=True, eq=False)
class Desk:
    """Holds the edits as the page has them; ``folder`` is None where there is no run folder to keep them in."""

    result: RunResult
    folder: Path | None
    edits: Edits = field(init=False)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        kept = edits_of(self.result, self.folder, self.result.edits)
        edited(self.result, kept)  # a list that cannot be done is refused here, in a sentence
        self.edits = kept or Edits(run=self.result.identity)

    def told(self) -> dict[str, Any]:
        """Say in plain values what the page begins with."""
        return {"edits": [edit.plain for edit in self.edits.operations], "saves": self.folder is not None}

    def take(self, text: str) -> Edits:
        """Take edits that the page sends.

        Raises
        ------
        InputError
            If they are not as they should be, belong to another run or cannot be done; those before stay.
        """
        edits = parse_edits(text)
        check_run(self.result, edits)
        edited(self.result, edits)
        self.edits = edits
        return edits

    def save(self, text: str) -> str:
        """Take edits and write them into the run folder; give what to say of it.

        Raises
        ------
        InputError
            As `take`.
        UsageError
            If there is no run folder.
        ResourceError
            If they cannot be written.
        """
        with self.lock:
            edits = self.take(text)
            if self.folder is None:
                raise UsageError("this run has no folder yet: save it first, with run.save(folder)")
            save_edits(edits, self.folder / FILE_NAME)
        n = len(edits.operations)
        return f"Saved {n} edit{'' if n == 1 else 's'} into {FILE_NAME} of the run folder."

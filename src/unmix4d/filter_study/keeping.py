"""What the runs of a comparison keep: the survey once for all of them, everything else under the filter's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from unmix4d.checkpoint import SURVEY
from unmix4d.records import AnyArray
from unmix4d.registry import Keeper

Starts = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class SurveyKept:
    """The keeper of a comparison that cannot be resumed: it holds the survey, and nothing else."""

    steps: dict[str, Mapping[str, AnyArray]] = field(default_factory=dict)

    def load(self, step: str, /) -> Mapping[str, AnyArray] | None:
        """Give the survey once it was made."""
        return self.steps.get(step)

    def save(self, step: str, arrays: Mapping[str, AnyArray], /) -> None:
        """Keep the survey."""
        if step == SURVEY:
            self.steps[step] = arrays


@dataclass(frozen=True, slots=True)
class OfFilter:
    """The keeper of the run with one filter."""

    shared: Keeper
    name: str

    def load(self, step: str, /) -> Mapping[str, AnyArray] | None:
        """Give a step of this run, or the survey of all."""
        return self.shared.load(self._known_as(step))

    def save(self, step: str, arrays: Mapping[str, AnyArray], /) -> None:
        """Keep a step."""
        self.shared.save(self._known_as(step), arrays)

    def _known_as(self, step: str) -> str:
        return step if step == SURVEY else step_of(self.name, step)


def step_of(name: str, step: str) -> str:
    """Give the name of a step of the run with one filter."""
    return f"{name}/{step}"

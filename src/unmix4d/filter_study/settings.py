"""The settings of a comparison of filters: those of a run, the filters, and the one that others are matched to."""

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from unmix4d.config import Settings
from unmix4d.errors import UsageError

FILTERS = ("raw", "mean", "gated-mean", "epattern")
OF_EACH_RUN = ("filter", "compare_to", "mode")
"""Settings of a run that a comparison sets itself, or has no choice of."""

FEWEST = 2


def _split(value: object) -> object:
    """Take "raw,mean" or "raw mean" apart, as it comes from the command line."""
    return tuple(re.findall(r"[^\s,]+", value)) if isinstance(value, str) else value


class StudySettings(Settings):
    """Everything that can be set about a comparison of filters; names and values are checked as those of a run."""

    filters: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        FILTERS,
        description="Filters to compare: two or more of raw, mean, gated-mean, epattern, or others that exist.",
        json_schema_extra={
            "form": "NAME,NAME",
            "expects": "two or more names of filters, as in raw,mean",
            "panel": "Comparing filters",
        },
    )
    reference: str | None = Field(
        None,
        description="Filter whose clusters and boundaries the others are matched to; the default is raw, or else "
        "the first of --filters.",
        json_schema_extra={
            "form": "NAME",
            "expects": "one of the filters that are compared",
            "panel": "Comparing filters",
        },
    )

    @property
    def chosen_reference(self) -> str:
        """The filter that the others are matched to."""
        return self.reference or ("raw" if "raw" in self.filters else self.filters[0])

    def of(self, name: str) -> Settings:
        """Give the settings of the run with one filter; its clusters are compared with the filtered patterns."""
        own = {field: getattr(self, field) for field in Settings.model_fields}
        return Settings(**{**own, "filter": name, "compare_to": "filtered"})

    @field_validator("filters")
    @classmethod
    def _exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names that no filter has."""
        from unmix4d import registry  # noqa: PLC0415 - brings numpy, which --help must not pay for

        for name in value:
            if name not in registry.names("filters"):
                registry.load("filters", name)  # raises the error that lists the names
        return value

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        """Refuse lists of filters that give no comparison."""
        given = ",".join(self.filters)
        if len(set(self.filters)) < len(self.filters):
            raise UsageError(f"filters: {given} names a filter twice")
        if len(self.filters) < FEWEST:
            raise UsageError(f"filters: got {given or 'none'}, expected two or more names, as in raw,mean")
        if self.reference is not None and self.reference not in self.filters:
            raise UsageError(f"reference: {self.reference} is not one of the filters, which are {given}")
        if self.mode != "sound":
            raise UsageError("mode: filters are compared by the answer alone; leave mode out, or set it to sound")
        return self

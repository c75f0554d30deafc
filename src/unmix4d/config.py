"""The settings of a run: one flat list that serves Python, the command line and YAML under the same names."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from unmix4d.errors import UsageError

_DECIMAL = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]?)b?|([kmgt])ib)\s*", re.IGNORECASE)


def _split(value: object) -> object:
    """Take "95,165" apart, as it comes from the command line; leave everything else to pydantic."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _bytes(value: object) -> object:
    """Turn "8GB", "512 MiB" or "1.5g" into a number of bytes; leave everything else to pydantic."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    number, decimal, binary = match.groups()
    return round(float(number) * (_BINARY[binary.lower()] if binary else _DECIMAL[decimal.lower()]))


Shape = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_split)]
Share = Annotated[float, Field(gt=0, lt=1)]
Crop = Annotated[tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt], BeforeValidator(_split)]
Start = Literal["spa", "kmeans", "nndsvda", "warm", "random"]
Starts = Annotated[tuple[Start, ...], Field(min_length=1), BeforeValidator(_split)]
Bytes = Annotated[PositiveInt, BeforeValidator(_bytes)]


def _setting(default: Any, doc: str, *, form: str, expects: str, panel: str) -> Any:  # noqa: ANN401 - as Field
    """Declare one setting: what it does, how it is written, what it accepts, where ``--help`` shows it."""
    return Field(default, description=doc, json_schema_extra={"form": form, "expects": expects, "panel": panel})


_reading = partial(_setting, panel="Reading")
_preparing = partial(_setting, panel="Preparing")
_factorising = partial(_setting, panel="Factorising")
_deciding = partial(_setting, panel="Deciding and comparing")
_resources = partial(_setting, panel="Resources")

_COUNT = "a whole number of at least 1"
_ABOVE_0 = "a number above 0"


class Settings(BaseModel):
    """Everything that can be set about a run; the defaults are those of the package.

    A name that does not exist and a value that does not fit are a UsageError that says which,
    what was found and what is accepted. Use ``updated`` to change a copy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scan_shape: Shape | None = _reading(
        None,
        "Shape of the scan in probes, for files that do not tell it.",
        form="ROWS,COLS",
        expects="two whole numbers of at least 1, as in 95,165",
    )
    scan_step: PositiveFloat | None = _reading(
        None, "Distance between probes, replacing what the file says.", form="NM", expects=_ABOVE_0
    )
    pattern_step: PositiveFloat | None = _reading(
        None,
        "Size of a detector pixel in 1/Å, replacing what the file says.",
        form="INV_ANGSTROM",
        expects=_ABOVE_0,
    )
    voltage: PositiveFloat | None = _reading(
        None,
        "Acceleration voltage; with --camera-length and --pixel it gives the pattern step.",
        form="KV",
        expects=_ABOVE_0,
    )
    camera_length: PositiveFloat | None = _reading(None, "Camera length.", form="MM", expects=_ABOVE_0)
    pixel: PositiveFloat | None = _reading(
        None, "Size of a detector pixel on the camera, in µm.", form="UM", expects=_ABOVE_0
    )
    dataset: str | None = _reading(
        None, "Path of the dataset inside a file that holds several.", form="PATH", expects="a path inside the file"
    )

    filter: str = _preparing(
        "raw",
        "Filter of the patterns: raw, mean (over 3 by 3 probes), gated-mean (over those of them that are the same "
        "within noise), epattern (redrawn from their spots), or one that another package adds.",
        form="NAME",
        expects="the name of a filter",
    )
    gate: Share = _preparing(
        0.01,
        "gated-mean: share of the neighbours that are the same and are rejected by chance.",
        form="SHARE",
        expects="a number above 0 and below 1",
    )
    spot_background: Literal["paraboloid", "ball", "top-hat", "radial", "none"] = _preparing(
        "paraboloid",
        "epattern: what is taken away before spots are looked for.",
        form="paraboloid|ball|top-hat|radial|none",
        expects="paraboloid, ball, top-hat, radial or none",
    )
    spot_radius: Literal["auto"] | PositiveFloat = _preparing(
        "auto",
        "epattern: radius of a spot in pixels; by default as wide as the direct beam.",
        form="auto|RADIUS",
        expects="auto or a radius in pixels above 0",
    )
    crop: Crop | None = _preparing(
        None,
        "Use only scan rows Y0 to Y1 and columns X0 to X1 (Y1 and X1 excluded).",
        form="Y0,Y1,X0,X1",
        expects="four whole numbers with 0 <= Y0 < Y1 and 0 <= X0 < X1",
    )
    bin: PositiveInt = _preparing(
        1, "Add up this many detector pixels in both directions.", form="N", expects=_COUNT
    )
    beam: Literal["none", "auto"] | PositiveFloat = _preparing(
        "none",
        "Mask the direct beam: not at all, by its measured size, or with this radius in pixels.",
        form="none|auto|RADIUS",
        expects="none, auto or a radius in pixels above 0",
    )
    mask: Path | None = _preparing(
        None,
        "File with an image of the pattern's shape: pixels that are not 0 are left out.",
        form="FILE",
        expects="the path of a file",
    )
    hot_pixels: Literal["auto", "none"] = _preparing(
        "auto",
        "Find hot and dead pixels and leave them out, or replace them where patterns are moved or binned.",
        form="auto|none",
        expects="auto or none",
    )
    offset: Literal["auto", "none"] | NonNegativeFloat = _preparing(
        "auto",
        "Take the camera's offset from every value: if one is surely there, not at all, or this one.",
        form="auto|none|VALUE",
        expects="auto, none or a number of at least 0",
    )
    descan: Literal["auto", "none"] = _preparing(
        "auto",
        "Move patterns back where the direct beam wanders over the scan.",
        form="auto|none",
        expects="auto or none",
    )
    saturation: Literal["auto", "none"] = _preparing(
        "auto",
        "Leave out pixels where the direct beam is saturated or behind a beam stop.",
        form="auto|none",
        expects="auto or none",
    )
    vacuum: Literal["auto", "none"] = _preparing(
        "auto", "Recognise vacuum and leave it out.", form="auto|none", expects="auto or none"
    )
    nan: Literal["error", "zero", "mask"] = _preparing(
        "error",
        "What to do with values that are not finite.",
        form="error|zero|mask",
        expects="error, zero or mask",
    )
    negative: Literal["clip", "shift", "error"] = _preparing(
        "clip", "What to do with negative values.", form="clip|shift|error", expects="clip, shift or error"
    )

    weighting: Literal["poisson", "measured", "none"] = _factorising(
        "poisson",
        "Weight pixels and probes for their noise: that of counting, or what neighbouring probes differ by.",
        form="poisson|measured|none",
        expects="poisson, measured or none",
    )
    solver: str = _factorising(
        "hals",
        "Solver of the factorisation: hals, multiplicative, mu-kl, or one that another package adds.",
        form="NAME",
        expects="the name of a solver",
    )
    starts: Starts = _factorising(
        ("spa", "kmeans", "nndsvda", "warm"),
        "Starting points that every k is fitted from.",
        form="NAME,NAME",
        expects="one or more of spa, kmeans, nndsvda, warm and random, each once, as in spa,random",
    )
    l1: NonNegativeFloat = _factorising(
        0.0,
        "Penalty on the sum of the weights, as a share of the root mean square length of the patterns.",
        form="X",
        expects="a number of at least 0",
    )
    max_iter: PositiveInt | None = _factorising(
        None, "Most iterations of the solver; the default is the solver's own.", form="N", expects=_COUNT
    )
    tol: PositiveFloat = _factorising(
        1e-4, "Relative change of the loss at which the solver stops.", form="X", expects=_ABOVE_0
    )

    mode: Literal["sound", "paper"] = _deciding(
        "sound",
        "The answer alone, or beside it that of the paper's procedure, step by step; this holds all in memory.",
        form="sound|paper",
        expects="sound or paper",
    )
    k: Literal["auto"] | PositiveInt = _deciding(
        "auto",
        "Number of components; auto lets the sweep decide.",
        form="auto|N",
        expects="auto or a whole number of at least 1",
    )
    k_min: PositiveInt = _deciding(1, "First k of the sweep.", form="N", expects=_COUNT)
    k_max: PositiveInt = _deciding(
        20,
        "Last k of the sweep; from 20 on the sweep goes further while the range of interest reaches its end.",
        form="N",
        expects=_COUNT,
    )
    background: Literal["auto", "none"] | NonNegativeInt = _deciding(
        "auto",
        "Which component is background: found, none, or the one with this index; with --mode paper in its model.",
        form="auto|none|INDEX",
        expects="auto, none or the index of a component (0, 1, ...)",
    )
    crystals: Literal["refined", "merged"] = _deciding(
        "refined",
        "Patterns and weights of the crystals: of their own, fitted to every probe, or their components added up.",
        form="refined|merged",
        expects="refined or merged",
    )
    compare_to: Literal["filtered", "raw"] = _deciding(
        "filtered",
        "Patterns that the clusters are compared with.",
        form="filtered|raw",
        expects="filtered or raw",
    )
    trajectory: Crop | None = _deciding(
        None,
        "Line of probes along which patterns are shown; the default is across the boundary with most overlap.",
        form="R0,C0,R1,C1",
        expects="four whole numbers from 0: row and column of the first and of the last probe",
    )
    keep: Literal["chosen", "range", "all"] = _deciding(
        "range",
        "Factorisations that are kept: of the chosen k, of the range of interest, or all.",
        form="chosen|range|all",
        expects="chosen, range or all",
    )

    threads: PositiveInt | None = _resources(
        None, "Threads of this process; the default is every core it may use.", form="N", expects=_COUNT
    )
    workers: NonNegativeInt = _resources(
        0,
        "Processes of this machine that read and reduce the data, started for the run; 0 is none.",
        form="N",
        expects="a whole number from 0",
    )
    scheduler: str | None = _resources(
        None,
        "Address of a running dask scheduler whose workers read and reduce the data.",
        form="ADDRESS",
        expects="an address, as in tcp://10.0.0.1:8786",
    )
    memory: Bytes | None = _resources(
        None,
        "Memory that may be used, such as 8GB; the default is 60 % of what is free.",
        form="BYTES",
        expects="a number of bytes above 0, as in 8GB or 512MiB",
    )
    seed: NonNegativeInt = _resources(0, "Seed of every random choice.", form="N", expects="a whole number from 0")

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read settings from a YAML file, such as the ``run.yaml`` of a run folder.

        Raises
        ------
        UsageError
            If the file is missing, is not YAML, names a setting that does not exist or holds a bad value;
            the message begins with the path of the file.
        """
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            return cls.model_validate({} if values is None else values)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    def to_yaml(self) -> str:
        """Give all settings as YAML that ``from_yaml`` reads back to equal settings."""
        values = self.model_dump(mode="json")
        return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)

    def updated(self, **changes: Any) -> Self:  # noqa: ANN401 - checked by pydantic
        """Give a copy with some settings changed; checked as new ones are.

        Raises
        ------
        UsageError
            As for new settings.
        """
        return self.model_validate({**dict(self), **changes})

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_sentence(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401
        """Turn pydantic's list of complaints into one sentence about the first of them."""
        if isinstance(values, Mapping):
            _refuse_booleans(values, cls)
        try:
            return handler(values)
        except ValidationError as error:
            raise UsageError(_sentence(error, cls)) from None

    @field_validator("filter", "solver")
    @classmethod
    def _known(cls, value: str, info: Any) -> str:  # noqa: ANN401 - pydantic's
        """Refuse names that no extension point has, in the registry's own words."""
        from unmix4d import registry  # noqa: PLC0415 - brings numpy, which --help must not pay for

        group = f"{info.field_name}s"
        if value not in registry.names(group):
            registry.load(group, value)  # raises the error that lists the names
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """Refuse values that are fine one by one and not together."""
        if self.k_min > self.k_max:
            raise UsageError(f"k_min: {self.k_min} is above k_max, which is {self.k_max}")
        if self.crop is not None and not (self.crop[0] < self.crop[1] and self.crop[2] < self.crop[3]):
            given = ",".join(map(str, self.crop))
            raise UsageError(f"crop: {given} is empty or reversed; expected Y0,Y1,X0,X1 with Y0 < Y1 and X0 < X1")
        if len(set(self.starts)) < len(self.starts):
            raise UsageError(f"starts: {','.join(self.starts)} names a start twice")
        if self.workers and self.scheduler is not None:
            raise UsageError("workers and scheduler say twice where the work is done: give only one of them")
        camera = {"voltage": self.voltage, "camera_length": self.camera_length, "pixel": self.pixel}
        missing = [name for name, value in camera.items() if value is None]
        if 0 < len(missing) < len(camera):
            raise UsageError(f"{', '.join(camera)} belong together: {' and '.join(missing)} missing")
        if not missing and self.pattern_step is not None:
            raise UsageError(
                f"pattern_step and {', '.join(camera)} say the same thing twice: give only one of them"
            )
        return self


def _refuse_booleans(values: Mapping[Any, Any], model: type[Settings]) -> None:
    """Refuse yes, no, on, off, true and false, which pydantic would take for 1 and 0."""
    for name, value in values.items():
        if isinstance(value, bool) and name in model.model_fields:
            said = f"{str(value).lower()} (YAML reads yes, no, on and off as that too)"
            raise UsageError(f"{name}: got {said}, expected {_expects(model, name)}")


def _expects(model: type[Settings], name: str) -> str:
    """Say what a setting accepts."""
    extra = model.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["expects"])


def _sentence(error: ValidationError, model: type[Settings]) -> str:
    """Say what is wrong with the first bad setting: what was found and what is expected."""
    first = error.errors()[0]
    if not first["loc"]:
        return f"expected settings as names and values, found {type(first['input']).__name__}"
    name = str(first["loc"][0])
    if name in model.model_fields:
        return f"{name}: got {first['input']!r}, expected {_expects(model, name)}"
    close = get_close_matches(name, model.model_fields, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"{name}: there is no such setting{hint}; known: {', '.join(model.model_fields)}"

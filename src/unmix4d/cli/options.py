"""Settings as options of the command line."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, TypeVar

import typer

from unmix4d.config import Settings

Command = TypeVar("Command", bound=Callable[..., None])


def with_settings(
    *names: str,
    of: type[Settings] = Settings,
    more: Mapping[str, object] = MappingProxyType({}),
) -> Callable[[Command], Command]:
    """Give a command one option for each of these settings; they arrive as text, None where not given.

    ``more`` has options of the command of its own, name and annotation, which arrive beside them.
    """
    kind = inspect.Parameter.KEYWORD_ONLY
    others = [inspect.Parameter(name, kind, default=None, annotation=what) for name, what in more.items()]

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        settings = (_option(name, of) for name in names)
        with_options = signature.replace(parameters=[*own, *others, *settings])
        command.__signature__ = with_options  # type: ignore[attr-defined]
        return command

    return decorate


def _option(name: str, of: type[Settings]) -> inspect.Parameter:
    """Describe one setting as an option of the command line."""
    field = of.model_fields[name]
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    several = isinstance(field.default, tuple)
    default = ",".join(field.default) if several else field.default
    words = [str(field.description)]
    if several:
        words.append("Name several with commas between them, or repeat the option.")
    if default is not None:
        words.append(f"Default: {default}.")
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=str(extra["form"]),
        help=" ".join(words),
        rich_help_panel=str(extra["panel"]),
    )
    kind = inspect.Parameter.KEYWORD_ONLY
    of_option = list[str] if several else str
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[of_option | None, option])


def given(options: Mapping[str, str | list[str] | None]) -> dict[str, str]:
    """Give the options that were given; what was given several times is one list with commas."""
    known = {name: text for name, text in options.items() if text is not None and text != []}
    return {name: ",".join(text) if isinstance(text, list) else text for name, text in known.items()}

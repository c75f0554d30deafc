"""``edits.yaml``: a list of operations, one on a line, and the run that they belong to.

Each line is JSON, which YAML holds: so a page in a browser reads and writes the file without a YAML library.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import yaml

from unmix4d.errors import InputError, UsageError
from unmix4d.records import EDIT_KEYS as KEYS
from unmix4d.records import Edit, Edits
from unmix4d.report.files import written_whole

FILE_NAME = "edits.yaml"
VERSION = 1
MOST_BYTES = 65536
MOST_EDITS = 500
LONGEST_NAME = 40
MOST_NUMBER = 32767
MARKS = ("background", "vacuum")
HEADING = "# Edits by hand of a run of unmix4d: docs/explore.md says what each does.\n"
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
NO_LETTERS = "\ufffe\uffff"

_COLOR = re.compile(r"#[0-9a-f]{6}")


def read_edits(path: Path) -> Edits:
    """Read a file of edits.

    Raises
    ------
    UsageError
        If there is no such file.
    InputError
        If it cannot be read, or is not as it should be: the sentence names the line of the list.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than {MOST_BYTES} bytes, so it is no file of edits; name another")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no {path}: name a file of edits, as the explorer saves it") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8, so it is no file of edits; name another") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return parse_edits(text, source=str(path))


def parse_edits(text: str, *, source: str = FILE_NAME) -> Edits:
    """Take edits from text; ``source`` begins what is said of a mistake.

    Raises
    ------
    InputError
        If the text is not as it should be.
    """
    try:
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{source} is not valid YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(plain, dict) or not {"version", "run", "edits"} == set(plain):
        raise InputError(f"{source} must hold version, run and edits, and nothing else: it is no file of edits")
    version = plain["version"]
    if type(version) is not int or version < 1:
        raise InputError(f"{source}: version must be a whole number from 1, got {_brief(version)}")
    if version > VERSION:
        raise InputError(f"{source} has version {version}; this unmix4d reads up to {VERSION}: update it")
    run, edits = plain["run"], plain["edits"]
    if not isinstance(run, dict) or not isinstance(run.get("labels"), str):
        raise InputError(f"{source}: run must say which run the edits belong to, as the explorer writes it")
    if not isinstance(edits, list) or len(edits) > MOST_EDITS:
        raise InputError(f"{source}: edits must be a list of at most {MOST_EDITS} operations")
    operations = []
    for i, one in enumerate(edits, start=1):
        try:
            operations.append(_edit(one))
        except ValueError as error:
            raise InputError(f"{source}, edit {i}: {error}") from None
    return Edits(run=run, operations=tuple(operations))


def edits_text(edits: Edits) -> str:
    """Write edits as the text of a file that `parse_edits` and the explorer read back."""
    lines = [f"version: {VERSION}", f"run: {_json(edits.run)}", "edits:" if edits.operations else "edits: []"]
    lines += [f"- {_json(edit.plain)}" for edit in edits.operations]
    return HEADING + "\n".join(lines) + "\n"


def save_edits(edits: Edits, path: Path) -> None:
    """Write a file of edits beside its final name and rename it.

    Raises
    ------
    ResourceError
        If it cannot be written; nothing half-written is left.
    """
    with written_whole(path) as part:
        part.write_text(edits_text(edits), encoding="utf-8")


def _json(values: object) -> str:
    return json.dumps(values, ensure_ascii=False)


def _edit(plain: object) -> Edit:
    """Check one operation; ValueError says what is wrong."""
    if not isinstance(plain, dict) or plain.get("do") not in KEYS:
        raise ValueError(f"do must be one of {', '.join(KEYS)}, got {_brief(plain)}")
    do = plain["do"]
    if set(plain) != {"do", *KEYS[do]}:
        raise ValueError(f"{do} takes {' and '.join(KEYS[do])}, got {_brief(plain)}")
    if do == "merge":
        return Edit(do=do, crystals=_several(plain["crystals"]))
    crystals = (_number(plain["crystal"], "crystal"),)
    if do == "rename":
        return Edit(do=do, crystals=crystals, name=_name(plain["name"]))
    if do == "recolor":
        return Edit(do=do, crystals=crystals, color=_color(plain["color"]))
    if do == "mark":
        if plain["as"] not in MARKS:
            raise ValueError(f"as must be background or vacuum, got {_brief(plain['as'])}")
        return Edit(do=do, crystals=crystals, role=plain["as"])
    return Edit(do=do, crystals=crystals, least=_number(plain["least"], "least", least=1, most=2**31 - 1))


def _number(value: object, what: str, *, least: int = 0, most: int = MOST_NUMBER) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}, got {_brief(value)}")
    return value


def _several(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) < 2:  # noqa: PLR2004 - merging takes two
        raise ValueError(f"merge takes a list of at least two crystals, got {_brief(values)}")
    numbers = tuple(_number(value, "each crystal") for value in values)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"merge names a crystal twice: {_brief(values)}")
    return numbers


def _name(value: object) -> str:
    """Check a name: a line that means something, without invisible characters that turn text about."""
    if not isinstance(value, str) or not value.strip() or value != value.strip():
        raise ValueError(f"a name must be text that neither begins nor ends with a space, got {_brief(value)}")
    if len(value) > LONGEST_NAME:
        raise ValueError(f"a name may have {LONGEST_NAME} characters, got {len(value)}")
    if any(letter in NO_LETTERS or unicodedata.category(letter) in INVISIBLE for letter in value):
        raise ValueError("a name must be one line of visible characters")
    return value


def _color(value: object) -> str:
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        raise ValueError(f'a colour must be like "#1e69c3", got {_brief(value)}')
    return value


def _brief(value: object) -> str:
    """Show what was found, if it is short."""
    if isinstance(value, (str, int, float, type(None))):
        return repr(value)[:60]
    plain = isinstance(value, (list, Mapping)) and all(
        isinstance(v, (str, int, float)) for v in (value.values() if isinstance(value, Mapping) else value)
    )
    return repr(value)[:120] if plain else f"a {type(value).__name__}"

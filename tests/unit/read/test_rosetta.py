import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from unmix4d.errors import InputError
from unmix4d.read import rosetta
from unmix4d.read.rosetta import _load, plugins_for, read_rosetta

SCAN = np.arange(3 * 4 * 8 * 8, dtype=np.uint16).reshape(3, 4, 8, 8)
AXES = [
    {"index_in_array": i, "name": name, "units": units, "scale": scale, "navigate": navigate, "size": SCAN.shape[i]}
    for i, (name, units, scale, navigate) in enumerate(
        [("y", "µm", 0.002, True), ("x", "µm", 0.002, True), ("ky", "1/nm", 0.1, False), ("kx", "1/nm", 0.1, False)]
    )
]


class FakePlugin:
    """A module of RosettaSciIO with the reader that a test gives it."""

    def __init__(self, reader: object) -> None:
        self.file_reader = reader


def use(monkeypatch: pytest.MonkeyPatch, *readers: object) -> None:
    fakes = {f"fake{i}": FakePlugin(reader) for i, reader in enumerate(readers)}
    monkeypatch.setattr(rosetta, "plugins_for", lambda _: {name.upper(): name for name in fakes})
    monkeypatch.setattr(rosetta.importlib, "import_module", fakes.__getitem__)


def signal(data: np.ndarray | da.Array) -> Mapping[str, Any]:
    return {"data": data, "axes": AXES[4 - data.ndim :], "metadata": {}, "original_metadata": {}}


def test_plugins_by_suffix() -> None:
    assert plugins_for(".TVIPS") == {"TVIPS": "rsciio.tvips"}
    assert plugins_for(".dm4") == {"DigitalMicrograph": "rsciio.digitalmicrograph"}
    assert plugins_for(".nothing") == {}


def test_the_scan_among_several_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(filename: str) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001 - as plugins are called
        return [signal(np.ones((500, 8, 8))), signal(SCAN), signal(np.ones((8, 8)))]

    use(monkeypatch, reader)
    found = read_rosetta(Path("scan.fake"))
    np.testing.assert_array_equal(found.patterns[:], SCAN)
    assert found.notes == ("this format is read as a whole",)
    assert [axis.unit for axis in found.axes] == ["µm", "µm", "1/nm", "1/nm"]


def test_next_plugin_is_tried_and_warnings_become_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(filename: str) -> Sequence[Mapping[str, Any]]:
        raise ValueError(f"{filename} is not mine\nand more")

    def right(filename: str) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001 - as plugins are called
        warnings.warn("the header is odd", stacklevel=1)
        warnings.warn("unclosed file", ResourceWarning, stacklevel=1)
        return [signal(SCAN)]

    use(monkeypatch, wrong, right)
    found = read_rosetta(Path("scan.fake"))
    assert found.reader == "RosettaSciIO (FAKE1)"
    assert found.notes == ("this format is read as a whole", "the header is odd")


def test_failures_of_all_plugins_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(filename: str) -> Sequence[Mapping[str, Any]]:
        raise ValueError(f"{filename} is not mine\nand more")

    def without_package(filename: str) -> Sequence[Mapping[str, Any]]:
        raise ModuleNotFoundError(f"no package for {filename}", name="numcodecs")

    use(monkeypatch, wrong, without_package)
    with pytest.raises(InputError) as caught:
        read_rosetta(Path("scan.fake"))
    needed = "FAKE1 needs the package zarr: pip install 'unmix4d[formats]'"
    assert f"(FAKE0: scan.fake is not mine; {needed})" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_holds_an_image_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(filename: str) -> Sequence[Mapping[str, Any]]:
        raise ValueError(f"{filename} is not mine")

    def image(filename: str) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001 - as plugins are called
        return [signal(np.ones((8, 8)))]

    use(monkeypatch, wrong, image)
    with pytest.raises(InputError, match=r"^scan.fake holds a single 2-D image of shape \(8, 8\); a scan has"):
        read_rosetta(Path("scan.fake"))


def test_data_file_that_is_missing_is_found_at_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(block_info: object = None) -> np.ndarray:  # noqa: ARG001 - as dask calls it
        raise FileNotFoundError("no scan.raw")

    def reader(filename: str, lazy: bool = False) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001
        return [signal(da.map_blocks(missing, chunks=((3,), (4,), (8,), (8,)), dtype=np.uint16, meta=SCAN[:0]))]

    use(monkeypatch, reader)
    with pytest.raises(InputError, match=r"no scan\.raw"):
        read_rosetta(Path("scan.fake"))


def test_chunks_become_bands_of_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rosetta, "BAND_BYTES", 2 * 4 * 8 * 8 * 2)  # two scan lines

    def reader(
        filename: str,  # noqa: ARG001 - as plugins are called
        lazy: bool = False,  # noqa: ARG001 - as plugins are called
        chunks: tuple[int, ...] = (3, 4, 5, 5),
    ) -> Sequence[Mapping[str, Any]]:
        return [signal(da.from_array(SCAN, chunks=chunks))]

    signals, notes = _load(reader, Path("scan.fake"))
    assert signals[0]["data"].chunks == ((2, 1), (4,), (8,), (8,))
    assert notes == []


def test_chunks_that_cannot_be_chosen_leave_a_note() -> None:
    def reader(filename: str, lazy: bool = False) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001
        return [signal(da.from_array(SCAN, chunks=(3, 4, 5, 5)))]

    assert "cut through the patterns" in _load(reader, Path("scan.fake"))[1][0]


def test_plugin_that_is_not_lazy_after_all() -> None:
    def reader(filename: str, lazy: bool = False) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001
        if lazy:
            raise NotImplementedError
        return [signal(SCAN)]

    signals, notes = _load(reader, Path("scan.fake"))
    assert signals[0]["data"] is SCAN
    assert notes == ["this format is read as a whole"]


def test_plugins_do_not_talk_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def reader(filename: str) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001 - as plugins are called
        logging.getLogger("rsciio.fake").critical("No metadata found.")
        return [signal(SCAN)]

    use(monkeypatch, reader)
    read_rosetta(Path("scan.fake"))
    assert caplog.records == []

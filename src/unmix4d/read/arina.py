"""DECTRIS ARINA: a master file that links to files of patterns, and the file of the microscope beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.errors import InputError
from unmix4d.read.calibration import Axis, Camera, Microscope, positive
from unmix4d.read.found import STACK_NDIM, Found
from unmix4d.read.hdf import open_hdf, require_filters
from unmix4d.read.lazy import Joined
from unmix4d.records import AnyArray, BoolArray

if TYPE_CHECKING:
    import h5py

ENDING = "_master.h5"
SPECIFIC = "entry/instrument/detector/detectorSpecific"
MICROSCOPE = "STEM Metadata"


class _Unmasked:
    """A stack of patterns in which the pixels that the detector marks as bad are 0."""

    def __init__(self, stack: Joined, bad: BoolArray) -> None:
        self.stack, self.bad = stack, bad
        self.shape, self.dtype = stack.shape, stack.dtype

    def __getitem__(self, key: Any, /) -> AnyArray:  # noqa: ANN401 - whatever NumPy takes
        patterns = self.stack[key]
        patterns[..., self.bad] = 0
        return patterns


def is_arina(path: Path) -> bool:
    """Tell the master file, or the file of the microscope that lies beside one, by their names."""
    return path.name.endswith(ENDING) or (path.suffix == ".h5" and master_of(path).is_file())


def master_of(path: Path) -> Path:
    """Give the name of the master file that belongs to a file of the microscope."""
    return path.with_name(path.stem.removesuffix(ENDING.removesuffix(".h5")) + ENDING)


def read_arina(path: Path) -> Found:
    """Open an ARINA scan: patterns stay in their files and are read on demand.

    The file of the microscope, ``NAME.h5`` beside ``NAME_master.h5``, gives scan shape, probe step, voltage and
    camera length. Pixels that the detector's own mask marks are 0.

    Raises
    ------
    InputError
        If a file of patterns is missing, or its compression cannot be undone here.
    """
    path = master_of(path)
    file = open_hdf(path)
    parts = _parts(file, path)
    patterns: Joined | _Unmasked = Joined(parts)
    notes: tuple[str, ...] = ()
    mask = file.get(f"{SPECIFIC}/pixel_mask")
    bad = np.zeros(patterns.shape[1:], bool) if mask is None else np.asarray(mask[()]) != 0
    if bad.shape == patterns.shape[1:] and bad.any():
        patterns = _Unmasked(Joined(parts), bad)
        notes = (f"{int(bad.sum())} pixels that the detector marks as bad are set to 0",)
    known = _microscope_file(path)
    microscope = Microscope(
        beam_energy_kev=_kilo(known.get("High Tension")) or _kilo(_number(file, f"{SPECIFIC}/photon_energy")),
        camera_length_mm=positive((known.get("Camera Length") or 0.0) * 1e3),
    )
    shape = tuple(int(known.get(f"NumPixels{axis}") or 0) for axis in "YX")
    return Found(
        patterns=patterns,
        name=str(path),
        path=path,
        format="DECTRIS ARINA",
        reader="h5py",
        axes=_axes(known, microscope, _number(file, "entry/instrument/detector/x_pixel_size")),
        microscope=microscope,
        scan_shape=(shape[0], shape[1]) if shape[0] * shape[1] == patterns.shape[0] else None,
        extra={"n_files": len(parts)},
        notes=notes,
    )


def _parts(file: "h5py.File", path: Path) -> list["h5py.Dataset"]:
    """Follow the links to the files of patterns, in order."""
    group = file.get("entry/data")
    names = sorted(group) if group is not None else []
    parts = []
    for name in names:
        try:
            node = group[name]
        except (KeyError, OSError) as error:
            link = group.get(name, getlink=True)
            where = getattr(link, "filename", name)
            raise InputError(
                f"{path} keeps patterns in {where}, which is missing beside it: copy it too"
            ) from error
        if node.ndim != STACK_NDIM:
            raise InputError(f"{path} links to patterns of shape {node.shape}; a stack has three axes")
        require_filters(node)
        parts.append(node)
    if not parts:
        raise InputError(f"{path} links to no patterns, so it holds no scan")
    return parts


def _microscope_file(path: Path) -> Mapping[str, float]:
    """Read the numbers in the file of the microscope; none if there is no such file."""
    beside = path.with_name(path.name.replace(ENDING, ".h5"))
    if not beside.is_file():
        return {}
    with open_hdf(beside) as file:
        group = file.get(MICROSCOPE)
        attributes = {} if group is None else dict(group.attrs)
    return {
        name: float(np.ravel(value)[0])
        for name, value in attributes.items()
        if np.size(value) and np.asarray(value).dtype.kind in "uif"
    }


def _axes(known: Mapping[str, float], microscope: Microscope, pixel_m: float | None) -> tuple[Axis, ...]:
    """Probe step, and detector pixel in 1/Å where the camera is known."""
    scan = Axis(step=positive(known.get("Pixel Size")), unit="nm")
    voltage, length, pixel = microscope.beam_energy_kev, microscope.camera_length_mm, positive(pixel_m)
    if voltage is None or length is None or pixel is None:
        return (scan, scan, Axis(), Axis())
    camera = Camera(voltage_kv=voltage, camera_length_mm=length, pixel_um=pixel * 1e6)
    detector = Axis(step=camera.pattern_step_inv_angstrom, unit="1/Å")
    return (scan, scan, detector, detector)


def _number(file: "h5py.File", name: str) -> float | None:
    node = file.get(name)
    return None if node is None else positive(node[()])


def _kilo(value: float | None) -> float | None:
    return positive((value or 0.0) / 1e3)

"""A result as objects of other libraries: a HyperSpy signal, an xarray dataset."""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from unmix4d.errors import UsageError
from unmix4d.records import AnyArray, FloatArray, RunResult

if TYPE_CHECKING:
    import dask.array as da

BLOCK_BYTES = 64 << 20
ALGORITHM = "unmix4d NMF"


def to_hyperspy(result: RunResult) -> Any:  # noqa: ANN401 - hyperspy is not imported for its types
    """Give a lazy Signal2D of the model with factors and loadings in its ``learning_results``.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    hyperspy.signals.Signal2D, lazy
        Its data are weights times components, (scan_y, scan_x, pattern_y, pattern_x); masked probes and pixels
        are 0.
        Factors are components with unit sum, loadings are counts.

    Raises
    ------
    UsageError
        If HyperSpy is not installed.
    """
    _need("hyperspy", "hyperspy")
    signals = importlib.import_module("hyperspy.api").signals
    fit, geometry = result.factorization, result.geometry
    factors = np.ascontiguousarray(fit.component_patterns().reshape(fit.k, -1).T)
    loadings = np.ascontiguousarray(fit.weight_maps().reshape(fit.k, -1).T)
    model = _model(loadings, factors, (*geometry.scan_shape, *geometry.pattern_shape))
    signal = signals.Signal2D(model).as_lazy()
    for axis, (name, coordinates, unit) in zip(_array_axes(signal), _coordinates(result), strict=True):
        axis.name, axis.units = name, unit
        axis.offset = float(coordinates[0])
        axis.scale = float(coordinates[1] - coordinates[0]) if len(coordinates) > 1 else 1.0
    signal.metadata.General.title = f"model of {result.decision.k} components"
    learned = signal.learning_results
    learned.factors, learned.loadings = factors, loadings
    learned.output_dimension = fit.k
    learned.number_significant_components = fit.k
    learned.decomposition_algorithm = ALGORITHM
    learned.original_shape = model.shape
    return signal


def _array_axes(signal: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Axes in the order of the array; HyperSpy lists x before y."""
    manager = signal.axes_manager
    return sorted((*manager.navigation_axes, *manager.signal_axes), key=lambda axis: axis.index_in_array)


def _model(loadings: FloatArray, factors: FloatArray, shape: tuple[int, int, int, int]) -> "da.Array":
    """Weights times components, line by line when it is asked for."""
    import dask.array as da  # noqa: PLC0415 - slow to import

    line_bytes = shape[1] * shape[2] * shape[3] * 4
    lines = max(1, min(shape[0], BLOCK_BYTES // line_bytes))
    weights: Any = da.from_array(  # type: ignore[no-untyped-call]
        loadings.reshape(shape[0], shape[1], -1), chunks=(lines, -1, -1)
    )
    components = np.ascontiguousarray(factors.T)
    model: da.Array = weights.map_blocks(
        lambda part: (part @ components).reshape(*part.shape[:2], *shape[2:]),
        dtype=np.float32,
        drop_axis=2,
        new_axis=(2, 3),
        chunks=(weights.chunks[0], weights.chunks[1], (shape[2],), (shape[3],)),
    )
    return model


def to_xarray(result: RunResult) -> Any:  # noqa: ANN401 - xarray is not imported for its types
    """Give the answer as an xarray Dataset with calibrated coordinates.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    xarray.Dataset
        ``components``, ``weights``, ``crystal_patterns``, ``crystal_weights``, ``labels``, ``overlap_ratio``,
        ``overlap_first``, ``overlap_second``, ``overlap_level``; the decision in its attributes.

    Raises
    ------
    UsageError
        If xarray is not installed.
    """
    _need("xarray", "xarray")
    xarray = importlib.import_module("xarray")
    scan, pattern = ("scan_y", "scan_x"), ("pattern_y", "pattern_x")
    fit, clusters, overlap, decision = result.factorization, result.clusters, result.overlap, result.decision
    variables: dict[str, tuple[tuple[str, ...], AnyArray, dict[str, str]]] = {
        "components": (("component", *pattern), fit.component_patterns(), {"long_name": "component, unit sum"}),
        "weights": (("component", *scan), fit.weight_maps(), {"units": "counts"}),
        "crystal_patterns": (("crystal", *pattern), clusters.crystal_patterns, {"long_name": "spots, unit sum"}),
        "crystal_weights": (("crystal", *scan), clusters.crystal_weights, {"units": "Bragg counts"}),
        "labels": (scan, clusters.labels, {"long_name": "crystal, -1 = none"}),
        "overlap_ratio": (scan, overlap.ratio, {"long_name": "second / first crystal weight"}),
        "overlap_first": (scan, overlap.first, {"long_name": "strongest crystal, -1 = none"}),
        "overlap_second": (scan, overlap.second, {"long_name": "second crystal, -1 = none"}),
        "overlap_level": (scan, overlap.level, {"long_name": "thresholds reached, -1 = not assessed"}),
    }
    coordinates = {name: (name, values, {"units": unit}) for name, values, unit in _coordinates(result)}
    roles = clusters.roles
    of_components = {
        "role": ("component", np.array(roles.roles, dtype=str)),
        "component_crystal": ("component", roles.crystals),
    }
    attributes = {
        "k": decision.k,
        "n_crystals": decision.n_crystals,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "source": result.record.source,
    }
    return xarray.Dataset(variables, coords={**coordinates, **of_components}, attrs=attributes)


def _coordinates(result: RunResult) -> list[tuple[str, FloatArray, str]]:
    """Name, positions and unit of every axis; the direct beam is the origin of a pattern where it is known."""
    geometry, beam = result.geometry, result.survey.beam
    center = (0.0, 0.0) if beam is None else beam.center
    step, pixel = geometry.scan_step_nm, geometry.pattern_step_inv_angstrom
    of_scan = [
        (name, np.arange(size) * (step or 1.0), "nm" if step else "")
        for name, size in zip(("scan_y", "scan_x"), geometry.scan_shape, strict=True)
    ]
    of_pattern = [
        (name, (np.arange(size) - (middle if pixel else 0.0)) * (pixel or 1.0), "1/Å" if pixel else "")
        for name, size, middle in zip(("pattern_y", "pattern_x"), geometry.pattern_shape, center, strict=True)
    ]
    return [*of_scan, *of_pattern]


def _need(package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"this needs the package {package}: pip install 'unmix4d[{extra}]'")

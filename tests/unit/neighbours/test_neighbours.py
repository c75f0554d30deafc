"""HyperSpy, pyxem, dask and xarray in; HyperSpy and xarray out."""

import warnings
from types import SimpleNamespace

import dask.array as da
import matplotlib as mpl
import numpy as np
import pytest

from unmix4d.errors import UsageError
from unmix4d.read.readers import open_scan
from unmix4d.report import signals

COUNTS = np.random.default_rng(0).poisson(5.0, (4, 5, 8, 8)).astype(np.uint16)


@pytest.fixture(scope="module")
def hs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("hyperspy.api", reason="hyperspy is not installed")


@pytest.fixture
def plots():
    """Draw into memory, and close what was drawn."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def calibrated(signal):
    for axis in signal.axes_manager.navigation_axes:
        axis.scale, axis.units = 2.5, "nm"
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.2, "1/nm"
    return signal


@pytest.mark.parametrize("lazy", [False, True])
def test_hyperspy_signal_in(hs, lazy):
    signal = hs.signals.Signal2D(COUNTS)
    scan = open_scan(calibrated(signal.as_lazy() if lazy else signal))
    np.testing.assert_array_equal(scan.rows(0, 4), COUNTS)
    assert isinstance(scan.patterns, da.Array) is lazy
    assert scan.geometry.scan_step_nm == 2.5
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)


@pytest.mark.parametrize("lazy", [False, True])
def test_pyxem_signal_in(lazy):
    pytest.importorskip("pyxem", reason="pyxem is not installed")
    from pyxem.signals import ElectronDiffraction2D

    signal = ElectronDiffraction2D(COUNTS)
    scan = open_scan(calibrated(signal.as_lazy() if lazy else signal))
    np.testing.assert_array_equal(scan.rows(0, 4), COUNTS)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)


def test_signals_are_told_by_their_attributes_alone():
    def axis(i: int, scale: float, units: str) -> SimpleNamespace:
        return SimpleNamespace(index_in_array=i, scale=scale, units=units, name=f"axis{i}")

    manager = SimpleNamespace(
        navigation_axes=(axis(1, 2.5, "nm"), axis(0, 2.5, "nm")),
        signal_axes=(axis(3, 0.2, "1/nm"), axis(2, 0.2, "1/nm")),
    )
    scan = open_scan(SimpleNamespace(data=COUNTS, axes_manager=manager))
    np.testing.assert_array_equal(scan.rows(0, 4), COUNTS)
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)


def test_dask_and_numpy_in():
    lazy = open_scan(da.from_array(COUNTS, chunks=(2, 5, 8, 8)))
    np.testing.assert_array_equal(lazy.rows(1, 3), open_scan(COUNTS).rows(1, 3))


@pytest.mark.parametrize("lazy", [False, True])
def test_xarray_in(lazy):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    labelled = xarray.DataArray(
        da.from_array(COUNTS) if lazy else COUNTS,
        dims=("y", "x", "ky", "kx"),
        coords={
            "y": ("y", np.arange(4) * 2.5, {"units": "nm"}),
            "x": ("x", np.arange(5) * 2.5, {"units": "nm"}),
            "ky": ("ky", np.arange(8) * 0.02, {"units": "1/Å"}),
            "kx": ("kx", np.arange(8) * 0.02, {"units": "1/Å"}),
        },
    )
    scan = open_scan(labelled)
    np.testing.assert_array_equal(scan.rows(0, 4), COUNTS)
    assert isinstance(scan.patterns, da.Array) is lazy
    assert scan.geometry.scan_step_nm == 2.5
    assert scan.geometry.pattern_step_inv_angstrom == pytest.approx(0.02)
    bare = open_scan(xarray.DataArray(COUNTS.reshape(20, 8, 8)), scan_shape=(4, 5))
    assert bare.geometry.pattern_step_inv_angstrom is None


def test_hyperspy_signal_out(hs, run):
    signal = run.to_hyperspy()
    fit = run.result.factorization
    assert isinstance(signal, hs.signals.Signal2D)
    assert signal.data.shape == (16, 20, 32, 32)
    model = np.einsum("kyx,kij->yxij", fit.weight_maps(), fit.component_patterns())
    np.testing.assert_allclose(signal.data.compute(), model, rtol=1e-5, atol=1e-4)
    factors, loadings = signal.get_decomposition_factors(), signal.get_decomposition_loadings()
    np.testing.assert_array_equal(factors.data, fit.component_patterns())
    np.testing.assert_array_equal(loadings.data, fit.weight_maps())
    steps = {axis.name: (axis.scale, axis.units) for axis in signal.axes_manager._axes}
    assert steps["scan_y"] == (pytest.approx(2.5), "nm")
    assert steps["pattern_x"] == (pytest.approx(0.04), "1/Å")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["plot_decomposition_results", "plot_decomposition_factors", "plot_decomposition_loadings"]
)
def test_plots_of_hyperspy_draw(hs, run, plots, name):  # noqa: ARG001 - skips without hyperspy
    before = set(plots.get_fignums())
    getattr(run.to_hyperspy(), name)()
    drawn = [plots.figure(number) for number in set(plots.get_fignums()) - before]
    assert drawn
    for figure in drawn:
        figure.canvas.draw()
    images = [image.get_array() for figure in drawn for axes in figure.axes for image in axes.images]
    assert images
    assert all(np.ptp(np.asarray(image, dtype=float)) > 0 for image in images[:1])


@pytest.mark.filterwarnings("ignore")
def test_model_of_hyperspy_is_ours(hs, run):  # noqa: ARG001 - skips without hyperspy
    signal = run.to_hyperspy()
    again = signal.get_decomposition_model()
    np.testing.assert_allclose(np.asarray(again.data), signal.data.compute(), rtol=1e-4, atol=1e-3)


def test_xarray_out(run):
    pytest.importorskip("xarray", reason="xarray is not installed")
    dataset = run.to_xarray()
    fit, clusters = run.result.factorization, run.clusters
    np.testing.assert_array_equal(dataset["components"], fit.component_patterns())
    np.testing.assert_array_equal(dataset["labels"], clusters.labels)
    assert dataset["overlap_ratio"].dims == ("scan_y", "scan_x")
    assert dataset["scan_x"].attrs["units"] == "nm"
    assert float(dataset["scan_x"][3]) == pytest.approx(7.5)
    beam = run.result.survey.beam
    assert float(dataset["pattern_y"][0]) == pytest.approx(-beam.center[0] * 0.04)
    assert dataset.attrs["n_crystals"] == run.decision.n_crystals
    assert dataset["role"].values.tolist() == list(clusters.roles.roles)


@pytest.mark.parametrize(("method", "package"), [("to_hyperspy", "hyperspy"), ("to_xarray", "xarray")])
def test_a_package_that_is_missing_is_named(run, monkeypatch, method, package):
    monkeypatch.setattr(signals.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=rf"needs the package {package}: pip install 'unmix4d\[{package}\]'"):
        getattr(run, method)()

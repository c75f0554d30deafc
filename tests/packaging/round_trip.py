"""There and back with HyperSpy, in an environment that has only the wheel and HyperSpy: by ``make packaging``.

A signal goes in, signals come out, and both are the numbers they were.
"""

import tempfile
import warnings
from pathlib import Path

import hyperspy.api as hs
import numpy as np

import unmix4d
from unmix4d.read.phantom import PhantomSpec, make_phantom


def main() -> None:
    made = make_phantom(PhantomSpec(scan_shape=(24, 28), pattern_shape=(32, 32), n_crystals=3, spot_sigma=0.03))
    signal = hs.signals.Signal2D(np.asarray(made.scan.patterns))
    for axis, step, unit in zip(
        signal.axes_manager._axes, (2.0, 2.0, 0.04, 0.04), ("nm",) * 2 + ("1/Å",) * 2, strict=True
    ):
        axis.scale, axis.units = step, unit
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        signal.save(folder / "scan.hspy")
        from_signal = unmix4d.unmix(signal, k_max=6)
        from_file = unmix4d.unmix(folder / "scan.hspy", k_max=6)
        np.testing.assert_array_equal(from_signal.clusters.labels, from_file.clusters.labels)
        assert from_file.result.geometry.scan_step_nm == 2.0
        from_file.save(folder / "run")
        components, weights = hs.load(folder / "run" / "components.hspy"), hs.load(folder / "run" / "weights.hspy")
        fit = from_file.result.factorization
        np.testing.assert_array_equal(components.data, fit.component_patterns())
        np.testing.assert_array_equal(weights.data, fit.weight_maps())
        assert weights.axes_manager.signal_axes[0].units == "nm"
        assert components.axes_manager.signal_axes[0].scale == 0.04
    print(f"there and back with HyperSpy {hs.__version__ if hasattr(hs, '__version__') else ''}".strip())


if __name__ == "__main__":
    main()

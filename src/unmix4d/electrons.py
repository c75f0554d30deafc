"""The wavelength of the beam."""

import math

# CODATA 2018, SI
PLANCK = 6.62607015e-34
ELECTRON_MASS = 9.1093837015e-31
ELEMENTARY_CHARGE = 1.602176634e-19
LIGHT_SPEED = 299792458.0


def wavelength_angstrom(voltage_kv: float) -> float:
    """Relativistic wavelength of electrons, Å.

    Parameters
    ----------
    voltage_kv : float
        Accelerating voltage, kV.

    Returns
    -------
    float
        ``h / sqrt(2 m e V (1 + e V / (2 m c^2)))``; 0.02508 Å at 200 kV.
    """
    energy = ELEMENTARY_CHARGE * voltage_kv * 1e3
    rest_energy = ELECTRON_MASS * LIGHT_SPEED**2
    momentum = math.sqrt(2 * ELECTRON_MASS * energy * (1 + energy / (2 * rest_energy)))
    return PLANCK / momentum * 1e10

"""How large an installation is: MB of each package in site-packages, largest first, and their sum.

    python tests/packaging/footprint.py VENV

pip and setuptools, which a new environment brings, are left out; compiled Python files are counted.
"""

import sys
from collections import Counter
from pathlib import Path

OWN_OF_VENV = {"pip", "setuptools", "_distutils_hack", "pkg_resources", "__pycache__"}
LARGE_MB = 5


def sizes(site_packages: Path) -> Counter[str]:
    """MB of each package; a folder of shared libraries counts with the package it belongs to."""
    found: Counter[str] = Counter()
    for entry in site_packages.iterdir():
        name = entry.name.partition("-")[0].removesuffix(".libs").removesuffix(".py").removesuffix(".pth")
        if name in OWN_OF_VENV:
            continue
        files = [entry] if entry.is_file() else entry.rglob("*")
        found[name] += sum(path.stat().st_size for path in files if path.is_file()) / 1e6
    return found


def main() -> None:
    (site_packages,) = Path(sys.argv[1]).glob("lib/python*/site-packages")
    found = sizes(site_packages)
    for name, size in found.most_common():
        if size >= LARGE_MB:
            print(f"{size:7.1f} MB  {name}")
    small = [size for size in found.values() if size < LARGE_MB]
    print(f"{sum(small):7.1f} MB  {len(small)} others")
    print(f"{sum(found.values()):7.1f} MB  in all")


if __name__ == "__main__":
    main()

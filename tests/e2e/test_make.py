"""The Makefile on a machine that lacks what it needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["demo", "test"])
def test_without_a_python_there_is_one_sentence(tmp_path: Path, target: str) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [shutil.which("make"), target, "PYTHON=/bin/false"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith("unmix4d needs Python 3.11 or later and found none")
    assert not (tmp_path / ".venv").exists()

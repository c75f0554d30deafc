"""Shells can complete commands and options, as the page about installing says."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def completed(program: Path, words: str) -> list[str]:
    """Ask as bash does, for what the last of these words may become."""
    asked = {"_UNMIX4D_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_commands_and_options_are_completed(program: Path) -> None:
    assert {"explore", "export"} <= set(completed(program, "unmix4d exp"))
    assert completed(program, "unmix4d run --wei") == ["--weighting"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(program: Path, shell: str) -> None:
    asked = {**os.environ, "_UNMIX4D_COMPLETE": f"source_{shell}"}
    done = subprocess.run([program], env=asked, capture_output=True, text=True, check=True)
    assert f"complete_{shell}" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_script_it_is_shown(program: Path) -> None:
    typed = """
eval "$(unmix4d --show-completion)"
COMP_WORDS=(unmix4d run --wei) COMP_CWORD=2
_unmix4d_completion unmix4d
echo "${COMPREPLY[@]}"
"""
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [shutil.which("bash"), "-c", typed],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["--weighting"], done.stderr

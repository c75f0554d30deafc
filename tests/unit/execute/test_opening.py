"""Which executor the options give, and what they refuse."""

import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import pytest

from unmix4d.errors import ResourceError, UsageError
from unmix4d.execute import Dask, Serial, Threads, open_executor, opening


@pytest.mark.parametrize(("threads", "expected"), [(1, Serial()), (3, Threads(3))])
def test_without_workers_the_threads_of_this_process_do_it(threads, expected):
    with open_executor(threads=threads) as pool:
        assert pool == expected


def test_opening_threads_does_not_load_distributed():
    code = (
        "import sys\nfrom unmix4d.execute import open_executor\n"
        "with open_executor(threads=2): print('distributed' in sys.modules, 'dask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_scheduler_that_runs_is_used_and_left_running(cluster):
    address = cluster.client.scheduler.address
    with open_executor(threads=1, scheduler=address) as pool:
        assert isinstance(pool, Dask)
        assert pool.client.scheduler.address == address
        assert list(pool.map_blocks(abs, [-2, 1])) == [2, 1]
    assert list(cluster.map_blocks(abs, [-3])) == [3]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense"])
def test_a_scheduler_that_does_not_answer_is_named(monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(opening, "CONNECT_S", 0.5)
    with (
        pytest.raises(UsageError, match=f"no dask scheduler answers at {address} .*dask scheduler"),
        open_executor(threads=1, scheduler=address),
    ):
        pass


def test_workers_and_a_scheduler_together_are_refused():
    with (
        pytest.raises(UsageError, match=r"--workers .* --scheduler .*: give one"),
        open_executor(threads=1, workers=2, scheduler="tcp://127.0.0.1:1"),
    ):
        pass


@pytest.mark.parametrize("options", [{"workers": 2}, {"scheduler": "tcp://127.0.0.1:1"}])
def test_without_distributed_the_extra_is_named(monkeypatch, options):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(UsageError, match=r"pip install 'unmix4d\[distributed\]'"),
        open_executor(threads=1, **options),
    ):
        pass


def test_memory_that_does_not_suffice_for_the_workers_is_refused_with_what_they_take():
    with (
        pytest.raises(ResourceError, match=r"4 workers take 0\.8 GB before they read anything"),
        open_executor(threads=1, workers=4, memory=500 * 2**20),
    ):
        pass


class FakeClient:
    """Workers that answer what they are told to."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def run(self, *_: object, **__: object) -> dict[str, object]:
        return {"tcp://10.0.0.2:4000": self.answer}


@pytest.mark.parametrize(
    ("answer", "words"), [("0.0.1", "has unmix4d 0.0.1"), (PackageNotFoundError(), "has no unmix4d")]
)
def test_workers_of_another_version_are_refused(answer, words):
    with pytest.raises(UsageError, match=rf"tcp://10\.0\.0\.2:4000 .*{words}"):
        opening._require_same_version(FakeClient(answer), "tcp://10.0.0.1:8786")
    opening._require_same_version(FakeClient(version("unmix4d")), "tcp://10.0.0.1:8786")


INTERRUPTED = """
import os, time
from unmix4d.execute import open_executor

def block(i):
    time.sleep(0.05)
    return os.getpid()

def main():
    with open_executor(threads=1, workers=2) as pool:
        for pid in pool.map_blocks(block, range(10_000)):
            print(pid, flush=True)

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_the_workers_and_says_nothing_else(tmp_path):
    pytest.importorskip("distributed")
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    with process:
        pids = {int(process.stdout.readline()) for _ in range(8)}
        os.killpg(process.pid, 2)  # as a terminal does: this process and its workers
        out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted"
    assert err == ""
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.1)
    assert not [pid for pid in pids if is_alive(pid)]
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_script_without_a_main_guard_is_told_about_it(tmp_path):
    pytest.importorskip("distributed")
    script = tmp_path / "script.py"
    script.write_text("from unmix4d.execute import open_executor\nwith open_executor(threads=1, workers=1): pass\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert 'work under: if __name__ == "__main__"' in done.stderr.splitlines()[-1]

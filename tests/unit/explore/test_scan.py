"""The server of a scan answers its own page, starts nothing for another, and goes on."""

import json
import socket

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import UsageError
from unmix4d.report.viewer.arrays import unpack

pytest.importorskip("starlette", reason="the extra ui is not installed")

from unmix4d.explore.scan import scan_routes


def records(body):
    """Split a stream into its numbers and values."""
    found, at = [], 0
    while at < len(body):
        first, n = np.frombuffer(body, "<u4", 2, at)
        found.append((int(first), np.frombuffer(body, "<f4", n, at + 8)))
        at += 8 + 4 * int(n)
    return found


@pytest.fixture(scope="module")
def routes(scan_path, tmp_path_factory):
    parent = tmp_path_factory.mktemp("runs")
    return scan_routes(api.open_scan(scan_path, scan_step=5), reading={"scan_step": "5"}, parent=parent)


@pytest.fixture(scope="module")
def server(start_server, routes):
    return start_server(routes)


@pytest.fixture(scope="module")
def patterns(scan_path):
    return np.load(scan_path)


@pytest.fixture(autouse=True)
def _it_goes_on(server):
    yield
    assert json.loads(server.ask("job").body)["state"] == "none", "nothing was started"


def post(server, path, told, **headers):
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    ours = {"Origin": f"http://127.0.0.1:{server.port}", **headers}
    return server.ask(path, method="POST", headers=ours, body=body)


def test_the_page_and_what_it_loads(server):
    page = server.ask("").body.decode()
    assert "scan.npy <span>12 × 14 patterns of 32 × 32 pixels" in page
    assert b"exploreScan" in server.ask("start.js").body
    assert b"ServedScan };" in server.ask("explorer.js").body


def test_the_manifest(server, routes):
    told = json.loads(server.ask("manifest").body)
    assert told["scan"] == {"shape": [12, 14], "step_nm": 5.0, "stride": 1}
    assert told["bytes"] == 12 * 14 * 32 * 32 * 2
    assert told["form"]["name"] == "scan-run"
    assert told["form"]["parent"] == str(routes.job.parent)
    assert {"raw", "mean", "gated-mean", "epattern"} <= set(told["form"]["filters"])


@pytest.mark.parametrize(
    ("stored", "sent"), [("u1", "u1"), ("u2", "u2"), (">u2", "u2"), ("f4", "f4"), ("i2", "f4")]
)
def test_patterns_go_as_they_are_stored_where_a_browser_has_the_type(routes, patterns, stored, sent):
    few = np.minimum(patterns[:2, :3], 200).astype(stored)
    source = scan_source(few)
    pattern = unpack(routes.packed(source, 1, 2))["measured"]
    assert pattern.dtype == np.dtype(f"<{sent}")
    np.testing.assert_array_equal(pattern, few[1, 2])


def scan_source(array):
    from unmix4d.explore.source import whole_source

    return whole_source(api.open_scan(array))


def test_a_pattern_is_that_of_the_file(server, patterns):
    np.testing.assert_array_equal(unpack(server.ask("pattern?y=3&x=9").body)["measured"], patterns[3, 9])


def test_sums_quick_and_exact(server, patterns):
    sample = unpack(server.ask("sample").body)
    assert sample["shape"].tolist() == [1, 12, 14]
    np.testing.assert_allclose(sample["mean"], patterns.mean(axis=(0, 1)), rtol=1e-6)
    assert sample["beam"].shape == (3,)
    told = records(server.ask("sums").body)
    assert told[-1][0] == 168
    mean, maximum = told[-1][1].reshape(2, 32, 32)
    np.testing.assert_allclose(mean, patterns.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_array_equal(maximum, patterns.max(axis=(0, 1)))
    place = "cy=15.5&cx=16&inner=3&outer=8"
    y, x = np.ogrid[:32, :32]
    distance = np.hypot(y - 15.5, x - 16)
    expected = patterns[..., (distance >= 3) & (distance <= 8)].sum(axis=-1)
    np.testing.assert_allclose(unpack(server.ask(f"quick?{place}").body)["image"], expected, rtol=1e-6)
    exact = np.concatenate([values for _, values in records(server.ask(f"virtual?{place}").body)])
    np.testing.assert_allclose(exact, expected.ravel(), rtol=1e-6)


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("pattern?y=12&x=0", 400),
        ("pattern?y=0&x=99999999999999999999999", 400),
        ("pattern?y=-1&x=0", 400),
        ("quick?cy=nan&cx=0&inner=0&outer=1", 400),
        ("quick", 400),
        ("virtual?cy=0&cx=0&inner=-1&outer=1", 400),
        ("part/maps", 404),
        ("run/", 404),
        ("run/manifest", 404),
        ("run/../../etc/passwd", 404),
        ("run/..%2f..%2fetc/passwd", 404),
        ("../../etc/passwd", 404),
        ("scan.npy", 404),
        ("job/start", 405),
        ("job/cancel", 405),
    ],
)
def test_absurd_questions_are_refused_in_one_line(server, question, status):
    answer = server.ask(question)
    assert answer.status == status
    assert b"\n" not in answer.body
    assert b"Traceback" not in answer.body


WISH = {"name": "out", "k": "auto", "k_max": "4"}


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_page_starts_nothing(server, origin):
    headers = {} if origin is None else {"Origin": origin}
    for path in ("job/start", "job/cancel"):
        answer = server.ask(path, method="POST", headers=headers, body=json.dumps(WISH).encode())
        assert answer.status == (405 if origin is None else 403)


def test_a_wrong_token_or_host_starts_nothing(server):
    body, ours = json.dumps(WISH).encode(), {"Origin": f"http://127.0.0.1:{server.port}"}
    assert server.ask("job/start", method="POST", headers=ours, body=body, token="wrong").status == 403  # noqa: S106
    assert post(server, "job/start", WISH, Host="evil.example").status == 403


def test_a_question_is_not_an_order(server):
    assert post(server, "manifest", {}).status == 405
    assert post(server, "pattern?y=0&x=0", {}).status == 405


@pytest.mark.parametrize(
    "told",
    [b"", b"{", b"\xff\xfe", [], 3, {"name": "../out"}, {"name": "/etc"}, {**WISH, "out": "x"}, {**WISH, "k": "x"}],
)
def test_absurd_orders_are_refused_in_one_line(server, told):
    answer = post(server, "job/start", told)
    assert answer.status == 400
    assert b"\n" not in answer.body
    assert b"Traceback" not in answer.body


def test_an_order_of_a_gigabyte_is_refused_unread(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"POST /{server.token}/job/start HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        head += f"Origin: http://127.0.0.1:{server.port}\r\nContent-Length: {2**30}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 1000)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert post(server, "job/start", b" " * 70_000).status == 413


def test_there_is_nothing_to_cancel(server):
    assert json.loads(post(server, "job/cancel", {}).body)["state"] == "none"


def test_work_that_was_kept_is_told(server, routes):
    assert json.loads(server.ask("kept?name=out").body) == {"kept": False}
    kept = routes.job.parent / "out.unfinished"
    kept.mkdir()
    (kept / "source.json").write_text("{}")
    assert json.loads(server.ask("kept?name=out").body) == {"kept": True}
    assert json.loads(server.ask("kept?name=../out").body) == {"kept": False}


def test_a_finished_run_is_shown_below_the_scan(start_server, routes, run, tmp_path):
    folder = run.save(tmp_path / "out")
    other = start_server(routes)
    try:
        routes.job.open_run(folder)
        page = other.ask("run/").body.decode()
        assert '<a href="../">the scan, and another run</a>' in page
        assert json.loads(other.ask("run/manifest").body)["decision"]["k"] == run.decision.k
        assert other.ask(f"run/part/k{run.decision.k}").status == 200
        assert other.ask("run/pattern?y=3&x=9").status == 200
        assert other.ask("run/part/..%2fresult.h5").status == 404
        assert other.ask("run/manifest", token="wrong").status == 403  # noqa: S106
    finally:
        routes.finished.app = None


def test_a_parent_that_is_missing_is_refused(scan_path, tmp_path):
    with pytest.raises(UsageError, match=r"there is no folder .* to write runs into"):
        scan_routes(api.open_scan(scan_path), reading={}, parent=tmp_path / "missing")

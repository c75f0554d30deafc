"""The server answers its own page, refuses everything else in one sentence, and goes on."""

import json
import socket
import threading

import numpy as np
import pytest

from unmix4d import api
from unmix4d.report.viewer.arrays import unpack

pytest.importorskip("starlette", reason="the extra ui is not installed")

from unmix4d.explore.server import Latest, make_routes


@pytest.fixture(scope="module")
def server(start_server, run, scan_path):
    return start_server(make_routes(run.result, run.settings, api.open_scan(scan_path)))


@pytest.fixture(autouse=True)
def _it_goes_on(server):
    yield
    assert server.ask("manifest").status == 200


def test_the_page_and_what_it_loads(server, run):
    page = server.ask("")
    assert page.status == 200
    crystals = run.decision.n_crystals
    assert f"{crystals} crystal{'' if crystals == 1 else 's'} <span>in scan.npy" in page.body.decode()
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    for name in ("explorer.js", "start.js"):
        assert server.ask(name).headers["content-type"].startswith("text/javascript")


def test_the_manifest_and_the_parts(server, run):
    told = json.loads(server.ask("manifest").body)
    assert told["live"] is True
    assert told["decision"]["k"] == run.decision.k
    maps = unpack(server.ask("part/maps").body)
    np.testing.assert_array_equal(maps["labels"], run.clusters.labels)
    factors = unpack(server.ask(f"part/k{run.decision.k}").body)
    np.testing.assert_array_equal(factors["weights"], run.result.factorization.weight_maps())


def test_a_pattern_is_that_of_the_file(server, scan_path):
    pattern = unpack(server.ask("pattern?y=3&x=9").body)
    np.testing.assert_array_equal(pattern["measured"], np.load(scan_path)[3, 9])
    assert "filtered" not in pattern


def test_a_virtual_image_is_the_sum_over_the_detector(server, scan_path):
    records = server.ask("virtual?cy=15.5&cx=16&inner=3&outer=8").body
    y, x = np.ogrid[:32, :32]
    distance = np.hypot(y - 15.5, x - 16)
    expected = np.load(scan_path)[..., (distance >= 3) & (distance <= 8)].sum(axis=-1)
    image, at = np.full(expected.size, np.nan), 0
    while at < len(records):
        first, n = np.frombuffer(records, "<u4", 2, at)
        image[first : first + n] = np.frombuffer(records, "<f4", n, at + 8)
        at += 8 + 4 * int(n)
    np.testing.assert_allclose(image, expected.ravel(), rtol=1e-6)


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("pattern?y=12&x=0", 400),
        ("pattern?y=0&x=14", 400),
        ("pattern?y=-1&x=0", 400),
        ("pattern?y=1e1&x=0", 400),
        ("pattern?y=999999999999999999999999&x=0", 400),
        ("pattern?y=%C2%B2&x=0", 400),
        ("pattern?x=0", 400),
        ("pattern", 400),
        ("virtual?cy=nan&cx=0&inner=0&outer=1", 400),
        ("virtual?cy=0&cx=0&inner=-1&outer=1", 400),
        ("virtual?cy=0&cx=inf&inner=0&outer=1", 400),
        ("virtual?cy=0&cx=0&inner=0", 400),
        ("part/k99", 404),
        ("part/k-1", 404),
        ("part/..", 404),
        ("part/../result.h5", 404),
        ("part/..%2fresult.h5", 404),
        ("../../etc/passwd", 404),
        ("%2e%2e/%2e%2e/etc/passwd", 404),
        ("result.h5", 404),
        ("openapi.json", 404),
    ],
)
def test_absurd_questions_are_refused_in_one_line(server, question, status):
    answer = server.ask(question)
    assert answer.status == status
    assert b"\n" not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("token", ["", "wrong", "a-toke", "a-token2", "%61-toke", "..", "é"])
def test_a_wrong_token_is_refused(server, token):
    for path in ("", "manifest", "part/maps"):
        assert (
            server.ask(path, token=token.encode().decode("latin-1") if token.isascii() else "%C3%A9").status == 403
        )


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil:{port}"]
)
def test_a_foreign_host_is_refused(server, host):
    answer = server.ask("manifest", headers={"Host": host.format(port=server.port)})
    assert answer.status in {400, 403}
    assert b"decision" not in answer.body


def test_localhost_is_this_machine_too(server):
    assert server.ask("manifest", headers={"Host": f"localhost:{server.port}"}).status == 200


def test_another_page_is_refused(server):
    assert server.ask("manifest", headers={"Origin": "http://evil.example"}).status == 403
    assert server.ask("manifest", headers={"Origin": f"http://127.0.0.1:{server.port}"}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_only_answers_questions(server, method):
    assert server.ask("manifest", method=method).status == 405


def test_a_body_of_a_gigabyte_is_refused_unread(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"GET /{server.token}/manifest HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        head += f"Content-Length: {2**30}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 1000)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_is_refused(server):
    assert server.ask("manifest", headers={"Transfer-Encoding": "chunked"}, body=None).status == 413


def test_a_line_that_never_ends_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /" + b"a" * 200_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 4")


def test_a_request_that_waits_is_dropped_for_a_newer_one(start_server, run, scan_path):
    routes = make_routes(run.result, run.settings, api.open_scan(scan_path))
    busy = start_server(routes)
    answers = {}
    with routes.source.lock:  # as long as something else reads
        threads = [
            threading.Thread(
                target=lambda o=o: answers.update({o: busy.ask(f"pattern?y=1&x={o}&lane=a&order={o}").status})
            )
            for o in (1, 2, 3)
        ]
        for thread in threads:
            thread.start()
        while routes.latest.newest.get("a", 0) < 3 or len(routes.latest.newest) < 1:
            threading.Event().wait(0.01)
        threading.Event().wait(0.2)
    for thread in threads:
        thread.join(10)
    assert answers == {1: 409, 2: 409, 3: 200}


def test_lanes_do_not_hinder_each_other():
    latest = Latest()
    latest.note("a", 5)
    latest.note("b", 1)
    latest.note("a", 2)
    assert latest.holds("b", 1)
    assert not latest.holds("a", 4)
    for i in range(1000):
        latest.note(str(i), i)
    assert len(latest.newest) <= 64


def test_without_the_scan_there_are_no_patterns_but_everything_else(start_server, run):
    bare = start_server(make_routes(run.result, run.settings, None))
    assert json.loads(bare.ask("manifest").body)["live"] is False
    assert bare.ask("part/maps").status == 200
    answer = bare.ask("pattern?y=0&x=0")
    assert answer.status == 404
    assert b"--scan" in answer.body
    assert "was not found" in bare.ask("").body.decode()


def test_a_damaged_scan_is_said_in_a_sentence(start_server, run, scan_path, tmp_path):
    copy = tmp_path / "damaged.npy"
    copy.write_bytes(scan_path.read_bytes())
    scan = api.open_scan(copy)
    damaged = start_server(make_routes(run.result, run.settings, scan))

    class Torn:
        shape, dtype = scan.patterns.shape, scan.patterns.dtype

        def __getitem__(self, key):
            raise OSError("short read")

    object.__setattr__(scan, "patterns", Torn())
    answer = damaged.ask("pattern?y=0&x=0")
    assert answer.status == 500
    assert "cannot be read, the file is damaged there" in answer.body.decode()

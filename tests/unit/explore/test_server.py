"""The server answers its own page, refuses everything else in one sentence, and goes on."""

import json
import socket
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from unmix4d import api
from unmix4d.edit.file import edits_text
from unmix4d.errors import InputError
from unmix4d.records import Edit, Edits
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


@pytest.fixture(scope="module")
def keeping(start_server, run, tmp_path_factory):
    """A server whose run has a folder."""
    folder = run.save(tmp_path_factory.mktemp("kept") / "run")
    served = start_server(make_routes(run.result, run.settings, None, folder=folder))
    return SimpleNamespace(ask=served.ask, folder=folder, origin={"Origin": f"http://127.0.0.1:{served.port}"})


def edits_of(run, *operations):
    return edits_text(Edits(run=run.result.identity, operations=operations)).encode()


def test_edits_are_kept_in_the_run_folder_and_shown_again(keeping, run):
    body = edits_of(run, Edit(do="rename", crystals=(0,), name="Ferrite"))
    answer = keeping.ask("edits", method="POST", headers=keeping.origin, body=body)
    assert (answer.status, answer.body) == (200, b"Saved 1 edit into edits.yaml of the run folder.")
    assert (keeping.folder / "edits.yaml").read_bytes() == body
    assert not list(keeping.folder.glob(".*")), "nothing half-written"
    told = json.loads(keeping.ask("manifest").body)
    assert told["saves"] is True
    assert told["edits"] == [{"do": "rename", "crystal": 0, "name": "Ferrite"}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", b"must hold version, run and edits"),
        (b"\xff\xfe", b"no"),
        (b"version: 1\nrun: {labels: x}\nedits: []", b"belongs to another run"),
        (b"[" * 60000, b"not valid YAML"),
    ],
    ids=["nothing", "no text", "another run", "deep"],
)
def test_edits_that_are_none_are_refused_and_the_kept_ones_stay(keeping, body, words):
    before = (keeping.folder / "edits.yaml").read_bytes() if (keeping.folder / "edits.yaml").exists() else None
    answer = keeping.ask("edits", method="POST", headers=keeping.origin, body=body)
    assert answer.status == 400
    assert words in answer.body
    assert b"\n" not in answer.body
    after = (keeping.folder / "edits.yaml").read_bytes() if (keeping.folder / "edits.yaml").exists() else None
    assert after == before


def test_edits_that_cannot_be_done_are_refused(keeping, run):
    body = edits_of(run, Edit(do="recolor", crystals=(77,), color="#000000"))
    answer = keeping.ask("edits", method="POST", headers=keeping.origin, body=body)
    assert answer.status == 400
    assert answer.body.startswith(b"edit 1 (recolor) cannot be done: there is no crystal 77")


def test_only_the_page_itself_may_send_edits(keeping, run):
    body = edits_of(run)
    assert keeping.ask("edits", method="POST", headers={}, body=body).status == 405
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert keeping.ask("edits", method="POST", headers=headers, body=body).status == 403
    asked = {"headers": {**keeping.origin, "Host": "evil.example"}, "body": body}
    assert keeping.ask("edits", method="POST", **asked).status == 403
    assert keeping.ask("edits", method="POST", headers=keeping.origin, body=body, token="wrong").status == 403  # noqa: S106
    assert keeping.ask("edits", method="PUT", headers=keeping.origin, body=body).status == 405
    assert keeping.ask("edits/more", method="POST", headers=keeping.origin, body=body).status == 404
    assert keeping.ask("edits", headers=keeping.origin).status == 405


def test_too_many_edits_are_refused_unread(keeping):
    answer = keeping.ask("edits", method="POST", headers=keeping.origin, body=b"x" * 65537)
    assert answer.status == 413


def test_without_a_folder_edits_are_not_kept(start_server, run):
    bare = start_server(make_routes(run.result, run.settings, None))
    assert json.loads(bare.ask("manifest").body)["saves"] is False
    headers = {"Origin": f"http://127.0.0.1:{bare.port}"}
    answer = bare.ask("edits", method="POST", headers=headers, body=edits_of(run))
    assert answer.status == 400
    assert b"has no folder" in answer.body


def test_a_folder_with_edits_that_are_none_is_refused_when_it_is_opened(run, tmp_path):
    (tmp_path / "edits.yaml").write_text("nonsense", encoding="utf-8")
    with pytest.raises(InputError, match=r"edits\.yaml must hold version, run and edits"):
        make_routes(run.result, run.settings, None, folder=tmp_path)


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        ("hspy?what=all&k=2&y=0&x=0", 404, b"no pattern named 'all'"),
        ("hspy?what=filtered&k=2&y=0&x=0", 404, b"no filter"),
        ("hspy?what=reconstruction&k=99&y=0&x=0", 404, b"not kept at k = 99"),
        ("hspy?what=measured&k=2&y=12&x=0", 400, b"y must be"),
        ("hspy?what=measured&y=0&x=0", 400, b"k must be"),
    ],
)
def test_patterns_for_hyperspy_that_there_are_not(server, question, status, words):
    answer = server.ask(question)
    assert answer.status == status
    assert words in answer.body


def test_a_pattern_for_hyperspy(server, run, scan_path, tmp_path):
    hyperspy = pytest.importorskip("hyperspy.api", reason="HyperSpy is not installed")
    (tmp_path / "measured.hspy").write_bytes(server.ask("hspy?what=measured&k=2&y=3&x=9").body)
    opened = hyperspy.load(tmp_path / "measured.hspy")
    np.testing.assert_array_equal(opened.data, np.load(scan_path)[3, 9])
    assert [axis.name for axis in opened.axes_manager.signal_axes] == ["pattern_x", "pattern_y"]
    fit = run.result.factorization
    (tmp_path / "made.hspy").write_bytes(server.ask(f"hspy?what=reconstruction&k={fit.k}&y=3&x=9").body)
    made = np.tensordot(fit.weight_maps()[:, 3, 9], fit.component_patterns(), axes=1)
    np.testing.assert_allclose(hyperspy.load(tmp_path / "made.hspy").data, made, rtol=1e-5, atol=1e-5)

"""A small run of a file, and a server that shows it."""

import threading
import time
import warnings
from http.client import HTTPConnection
from types import SimpleNamespace

import numpy as np
import pytest

from unmix4d import api
from unmix4d.errors import Unmix4dWarning
from unmix4d.read.phantom import PhantomSpec, make_phantom

TOKEN = "a-token"  # noqa: S105 - of a server that only a test sees
SPEC = PhantomSpec(scan_shape=(12, 14), pattern_shape=(32, 32), n_crystals=2, n_minority=0, spot_sigma=0.03)


@pytest.fixture(scope="session", autouse=True)
def _time_for_a_sample():
    """Let a sample take its time on a busy machine."""
    from unmix4d.explore import look

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "SAMPLE_SECONDS", 1e9)
        yield


@pytest.fixture(scope="session")
def scan_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "scan.npy"
    np.save(path, np.asarray(make_phantom(SPEC).scan.patterns))
    return path


@pytest.fixture(scope="session")
def run_of():
    def make(path, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Unmix4dWarning)
            return api.unmix(path, k_max=4, threads=1, **settings)

    return make


@pytest.fixture(scope="session")
def run(run_of, scan_path):
    return run_of(scan_path)


@pytest.fixture(scope="session")
def start_server():
    """Serve an application in a thread: ``start_server(routes)`` gives ask, port and token; stopped at the end."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra ui is not installed")
    from unmix4d.explore.serve import _listening
    from unmix4d.explore.server import make_app

    stopped = []

    def begin(routes):
        listener = _listening(0)
        port = listener.getsockname()[1]
        app = make_app(routes, token=TOKEN, port=port)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        stopped.append((server, thread, listener))

        def ask(path, *, token=TOKEN, method="GET", headers=None, body=None):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request(method, f"/{token}/{path}", body=body, headers=headers or {})
                answer = connection.getresponse()
                return SimpleNamespace(status=answer.status, body=answer.read(), headers=answer.headers)
            finally:
                connection.close()

        return SimpleNamespace(ask=ask, port=port, token=TOKEN, address=f"http://127.0.0.1:{port}/{TOKEN}/")

    yield begin
    for server, thread, listener in stopped:
        server.should_exit = True
        thread.join(10)
        listener.close()

"""Serve a run on this machine until it is stopped."""

import secrets
import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from unmix4d.errors import ResourceError
from unmix4d.explore.server import BaseRoutes, make_app

ADDRESS = "127.0.0.1"
TOKEN_BYTES = 16


class _Server(uvicorn.Server):
    """Says when it answers."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


def serve(routes: BaseRoutes, *, port: int = 0, browser: bool = True, announce: Callable[[str], None]) -> None:
    """Serve until an interrupt.

    Parameters
    ----------
    routes : BaseRoutes
    port : int
        0 = any that is free.
    browser : bool
        Open the page in the browser of this machine.
    announce : callable
        Is told the address, which holds the token, as soon as the server answers.

    Raises
    ------
    ResourceError
        If the port is taken or not allowed.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with _listening(port) as listener:
        bound = int(listener.getsockname()[1])
        address = f"http://{ADDRESS}:{bound}/{token}/"
        config = uvicorn.Config(
            make_app(routes, token=token, port=bound),
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)

        def ready() -> None:
            announce(address)
            if browser:
                webbrowser.open(address)

        server.ready = ready
        try:
            server.run(sockets=[listener])
        finally:
            routes.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        raise ResourceError(f"port {port} cannot be used ({error.strerror}): choose another --port") from error
    return listener

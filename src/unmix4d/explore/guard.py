"""Who may ask the server for what: this machine's browser, with the token, in small requests."""

import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_BODY_BYTES = 65536
METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses what does not come from the page of this server; hands on the rest without the token in its path."""

    app: ASGIApp
    token: str
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(Request(scope))
        if refusal is not None:
            status, words = refusal
            # Nothing of a body is read: the connection ends with the answer.
            await PlainTextResponse(words, status, {"connection": "close"})(scope, receive, send)
            return
        rest = "/" + scope["path"].split("/", 2)[2] if scope["path"].count("/") > 1 else "/"
        await self.app({**scope, "path": rest, "raw_path": rest.encode()}, receive, send)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        headers = request.headers
        ours = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        if headers.get("host", "") not in ours:
            return 403, "this server answers only as 127.0.0.1"
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in ours:
            return 403, "this server answers only its own page"
        # A browser says where what changes something comes from; a page that is not ours was refused above.
        posts = request.method == "POST" and origin is not None
        if request.method not in METHODS and not posts:
            return 405, "this server only answers questions"
        if posts and "content-length" not in headers:
            return 411, "a request that changes something says how long it is"
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            return 413, "a request may not bring that much"
        token = request.url.path.split("/")[1]
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return 403, "the address lacks the token: use the one that unmix4d explore printed"
        return None

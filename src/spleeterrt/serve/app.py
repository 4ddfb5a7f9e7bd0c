"""What the service answers: routes, and the headers and checks that all of them have."""

from __future__ import annotations

import datetime
import errno
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._version import __version__
from .job import DONE, Job
from .jobs import Jobs
from .limits import Refused, stopping
from .openapi import document, media_type
from .options import OPTIONS, song_options
from .streams import events, zipped
from .upload import check_headers, receive_song

Handler = Callable[[Request], Awaitable[Response]]

_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # without one, forms would have the origin null
    "X-Content-Type-Options": "nosniff",
}
_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}


class Service:
    """The application.

    Attributes:
        app: for an ASGI server.
    """

    def __init__(self, jobs: Jobs, names: Iterable[str] = ()) -> None:
        self.jobs = jobs
        self._uploads: set[anyio.CancelScope] = set()
        self._document = document(jobs)
        routes = [
            Route("/songs", self._post, methods=["POST", "PUT"]),
            Route("/songs/{id}", self._song, methods=["GET", "DELETE"]),
            Route("/songs/{id}/events", self._events),
            Route("/songs/{id}/stems.zip", self._zip),
            Route("/songs/{id}/stems/{name}", self._stem),
            Route("/limits", self._limits),
            Route("/health", self._health),
            Route("/ready", self._ready),
            Route("/openapi.json", self._openapi),
            *(Route(address, _page(*page)) for address, page in _PAGE.items()),
        ]
        self.app = Starlette(
            routes=routes,
            middleware=[Middleware(_Guard, names=frozenset(name.lower() for name in names))],
            exception_handlers={Refused: _refused, HTTPException: _http_error, Exception: _mistake},
        )
        self.app.router.redirect_slashes = False

    def stop(self) -> None:
        """End what goes on for a while; from the thread of the event loop."""
        self.jobs.stop()
        for scope in self._uploads:
            scope.cancel()

    # --- songs ------------------------------------------------------------------------

    async def _post(self, request: Request) -> Response:
        pairs = request.query_params.multi_items()
        song_options(pairs, self.jobs.model.config)  # before the song is sent
        check_headers(request.headers, self.jobs.limits.size)
        job = await run_sync(self.jobs.reserve)
        try:
            pairs += await self._receive(request, job)
            self.jobs.submit(job, song_options(pairs, self.jobs.model.config))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Refused(507, "disk-full", "There is no room left on the server.") from error
        finally:
            if job.state is None:
                with anyio.CancelScope(shield=True):
                    await run_sync(self.jobs.discard, job)
        shown = self._shown(job)
        return _json(shown, 202, {"Location": shown["url"]})

    async def _receive(self, request: Request, job: Job) -> list[tuple[str, str]]:
        with anyio.CancelScope() as scope:
            self._uploads.add(scope)
            try:
                with await run_sync(job.song.open, "wb") as file:
                    return await receive_song(request, file, job, self.jobs.limits.size)
            finally:
                self._uploads.discard(scope)
        raise stopping()

    async def _song(self, request: Request) -> Response:
        job = self._job(request)
        if request.method == "DELETE":
            await run_sync(self.jobs.remove, job)
            return Response(status_code=204)
        return _json(self._shown(job))

    async def _events(self, request: Request) -> Response:
        job = self._job(request)
        if request.method == "HEAD":
            return _without_length(Response(media_type="text/event-stream"))
        return StreamingResponse(
            events(self.jobs, job, self._shown),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},  # nginx would keep them
        )

    async def _stem(self, request: Request) -> Response:
        job = self._job(request)
        path = self._results(job).get(request.path_params["name"])
        if path is None:
            raise Refused(404, "not-found", f"There is no such stem; there are {', '.join(job.files)}.")
        held = self._held(job)
        return _Held(held, FileResponse(path, filename=path.name, media_type=media_type(path.suffix[1:])))

    async def _zip(self, request: Request) -> Response:
        job = self._job(request)
        names = self._results(job)
        headers = {"Content-Disposition": 'attachment; filename="stems.zip"'}
        if request.method == "HEAD":
            return _without_length(Response(media_type="application/zip", headers=headers))
        held = self._held(job)
        try:
            pieces = await run_sync(zipped, names)
        except BaseException:
            held.close()
            raise
        held.callback(pieces.close)
        return _Held(held, StreamingResponse(pieces, media_type="application/zip", headers=headers))

    def _job(self, request: Request) -> Job:
        return self.jobs.get(request.path_params["id"])

    def _held(self, job: Job) -> ExitStack:
        """Keeps the files of a job until it is closed."""
        held = ExitStack()
        held.enter_context(self.jobs.reading(job))
        return held

    @staticmethod
    def _results(job: Job) -> Mapping[str, Any]:
        if job.state != DONE:
            raise Refused(409, "not-done", f"The song is {job.state}; there are no stems (yet).")
        return job.files

    def _shown(self, job: Job) -> dict[str, Any]:
        url = f"/songs/{job.id}"
        finished = job.finished
        return {
            "id": job.id,
            "state": job.state,
            "position": self.jobs.position(job),
            "progress": job.progress,
            "seconds": None if job.seconds is None else round(job.seconds, 3),
            "bytes": job.received,
            "options": {} if job.options is None else dict(job.options.given),
            "stems": [
                {
                    "name": job.stems[name],
                    "file": name,
                    "bytes": job.sizes[name],
                    "url": f"{url}/stems/{name}",
                }
                for name in job.files
            ],
            "warnings": list(job.warnings),
            "error": None if job.failure is None else asdict(job.failure),
            "created": _time(job.created),
            "expires": None if finished is None else _time(finished + self.jobs.limits.keep),
            "url": url,
            "events": f"{url}/events",
            "zip": f"{url}/stems.zip" if job.files else None,
        }

    # --- the service ------------------------------------------------------------------

    async def _limits(self, _request: Request) -> Response:
        config = self.jobs.model.config
        return _json(
            {
                "version": __version__,
                "stems": list(config.instruments),
                "sample_rate": config.sample_rate,
                "most": asdict(self.jobs.limits),
                "jobs": self.jobs.workers,
                "options": {
                    option.name: {**option.schema, "default": option.default, "description": option.help}
                    for option in OPTIONS
                },
            }
        )

    async def _health(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    async def _ready(self, _request: Request) -> Response:
        if not self.jobs.alive:
            raise stopping()
        return _json({"status": "ready", "songs": self.jobs.counts()})

    async def _openapi(self, _request: Request) -> Response:
        return _json(self._document)


class _Json(JSONResponse):
    """Ends its line, for terminals."""

    def render(self, content: Any) -> bytes:
        return super().render(content) + b"\n"


class _Held(Response):
    """An answer of files, which stay until it has been sent or the client has gone."""

    def __init__(self, held: ExitStack, answer: Response) -> None:
        self._held, self._answer = held, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await self._answer(scope, receive, send)


def _page(name: str, kind: str) -> Handler:
    content = (files(__package__) / "page" / name).read_bytes()

    async def answer(_request: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer


def _without_length(head: Response) -> Response:
    """Of an answer whose length is not known before."""
    del head.headers["content-length"]
    return head


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(round(seconds), datetime.timezone.utc).isoformat()


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return _Json(content, status, {"Cache-Control": "no-store", **(headers or {})})


def _problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json({"error": {"code": code, "message": message}}, status, headers)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _problem(error.status, error.code, str(error), error.headers)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method"}.get(error.status_code, "http")
    return _problem(
        error.status_code, code, f"{error.detail}; /openapi.json says what there is.", error.headers
    )


async def _mistake(_request: Request, _error: Exception) -> Response:
    return _problem(500, "unexpected", "Something went wrong; the server's log says what.")


class _Guard:
    """For every request: who may ask, and headers.

    A page of somebody else's could reach a server on this machine under a name of its own (DNS rebinding), or
    by a form (a cross-site post). Under numbers it cannot.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app, self._names = app, names | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self._problem(Headers(scope=scope), scope["method"])
        await (problem or self._app)(scope, receive, with_headers)

    def _problem(self, headers: Headers, method: str) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_known(hosts[0]):
            return _problem(
                403, "host", "This service is not asked under that name (Host); --allow-host names others."
            )
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "none")
        if (origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower()) or site not in (
            "same-origin",
            "none",
        ):
            return _problem(403, "origin", "Another site's page may not ask this service (Origin).")
        return None

    def _is_known(self, host: str) -> bool:
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name = found["address"] or found["name"]
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

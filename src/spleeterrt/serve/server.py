"""The socket, the signals and the end of a service."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import SpleeterError, reason
from ..signals import SignalHandler
from .app import Service

PORT = 8378
GRACE_SECONDS = 2  # for answers that are being sent when the service stops
IDLE_SECONDS = 20.0  # for which a connection may be without a request that makes progress
MOST_CONNECTIONS = 500
_HEADER_BYTES = 1 << 14


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class Server:
    """Answers until a signal comes, or `stop` is called.

    Raises:
        SpleeterError: the address cannot be had.
    """

    def __init__(self, service: Service, host: str, port: int | None = None) -> None:
        self._service = service
        self._socket = _bind(host, port)
        name = f"[{host}]" if ":" in host else host
        self.address = f"http://{name}:{self._socket.getsockname()[1]}/"

    def serve(self, ready: Callable[[], object] = lambda: None) -> None:
        """Answer until a signal ends it; `ready` is called when it does."""
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what clients get wrong is none of ours
        logging.getLogger("python_multipart").setLevel(logging.ERROR)
        config = uvicorn.Config(
            self._service.app,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
        self._uvicorn = _Uvicorn(config, self._service, ready)
        with _Signals(self._uvicorn):
            asyncio.run(self._uvicorn.serve(sockets=[self._socket]))

    def stop(self) -> None:
        """Let `serve` return, from another thread, once it answers."""
        self._uvicorn.should_exit = True


def _bind(host: str, port: int | None) -> socket.socket:
    for number in (PORT, 0) if port is None else (port,):
        try:
            (family, _, _, _, address), *_ = socket.getaddrinfo(
                host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            return socket.create_server(address[:2], family=family, backlog=256)
        except (OSError, UnicodeError) as error:
            problem = error
    raise SpleeterError(
        f"cannot listen on {host}:{number}: {reason(problem)}; choose another --host or --port "
        "(0: any that is free)"
    ) from problem


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._service, self._ready = service, ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are ours

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Answers that were cut off are no mistakes.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        self._service.stop()
        await super().shutdown(sockets)


class _Signals(SignalHandler):
    def __init__(self, server: uvicorn.Server) -> None:
        super().__init__()
        self._server = server

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Flags alone: the loop may be anywhere, also within a lock."""
        if self._server.should_exit and number == signal.SIGINT:
            self._server.force_exit = True
        self._server.should_exit = True


class _Connection(H11Protocol):
    """Closes connections that never ask, or never stop sending what nobody wants."""

    _watch: asyncio.TimerHandle | None = None
    _seen: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch = self.loop.call_later(IDLE_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close it if there has been no request since the last look, and none is being answered."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.cycle is self._seen:
            if self.conn.our_state is not h11.ERROR:
                self.transport.close()
            return
        self._seen = self.cycle
        self._watch = self.loop.call_later(IDLE_SECONDS, self._look)

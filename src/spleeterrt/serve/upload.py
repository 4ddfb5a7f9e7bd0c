"""A song on its way in: the body itself, or the file of a form, counted while it is written to disk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any, Protocol

import anyio
from anyio.to_thread import run_sync
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from .limits import Refused

IDLE_SECONDS = 30.0  # without a byte
LEAST_RATE = 4096  # bytes a second, on the whole
FORM_BYTES = 1 << 16  # of a form, besides the song
MOST_PARTS = 64
_WRITE_BYTES = 1 << 18

Pairs = list[tuple[str, str]]


class _Counted(Protocol):
    received: int


class Receiver:
    """Writes a song and counts it.

    Args:
        job: its `received` grows.
        most: bytes.
    """

    def __init__(self, file: IO[bytes], job: _Counted, most: int) -> None:
        self._file, self._job, self._most = file, job, most
        self._parts: list[bytes] = []
        self._held = 0

    def take(self, data: bytes) -> None:
        self._job.received += len(data)
        if self._job.received > self._most:
            raise too_large(self._most)
        self._parts.append(data)
        self._held += len(data)

    async def write(self, *, last: bool = False) -> None:
        """Write what is there, if that is worth a thread's while."""
        if self._held >= _WRITE_BYTES or (last and self._held):
            data, self._parts, self._held = b"".join(self._parts), [], 0
            await run_sync(self._file.write, data)

    async def end(self) -> None:
        await self.write(last=True)
        if not self._job.received:
            raise Refused(400, "empty", "The song is empty: send its file as the body, or in a form.")


def too_large(most: int) -> Refused:
    return Refused(413, "too-large", f"A song may have {most} bytes here.")


def check_headers(headers: Mapping[str, str], most: int) -> None:
    """Refuse at once what will be refused anyway."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "encoding", "The body may not be compressed (Content-Encoding).")
    if "content-range" in headers:
        raise Refused(400, "range", "A song is sent as a whole, without Content-Range.")
    length = headers.get("content-length", "")
    room = FORM_BYTES if is_form(headers) else 0
    if length.isdecimal() and int(length) > most + room:
        raise too_large(most)


def is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def receive_song(request: Request, file: IO[bytes], job: _Counted, most: int) -> Pairs:
    """Write the song of a request into a file; the texts of its form.

    Raises:
        Refused: too large, too slow, broken off, or no form that makes sense.
        OSError: the file cannot be written.
    """
    receiver = Receiver(file, job, most)
    form = _Form(request.headers["content-type"], receiver) if is_form(request.headers) else None
    async for data in _pieces(request):
        if form is None:
            receiver.take(data)
        else:
            form.feed(data)
        await receiver.write()
    pairs = [] if form is None else form.end()
    await receiver.end()
    return pairs


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body, as long as it comes fast enough."""
    started, received = time.monotonic(), 0
    pieces = request.stream()
    while True:
        allowed = IDLE_SECONDS + received / LEAST_RATE - (time.monotonic() - started)
        try:
            with anyio.fail_after(max(0.0, min(IDLE_SECONDS, allowed))):
                data = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refused(408, "too-slow", "The song came too slowly.", {"Connection": "close"}) from None
        except ClientDisconnect:
            raise Refused(400, "broken-off", "The upload broke off.", {"Connection": "close"}) from None
        received += len(data)
        yield data


class _Form:
    """A form that is read while it comes: one file, which is the song, and options.

    What the client calls the file is not looked at.
    """

    def __init__(self, content_type: str, receiver: Receiver) -> None:
        _, parameters = parse_options_header(content_type)
        boundary = parameters.get(b"boundary")
        if not boundary:
            raise _bad("it has no boundary")
        self._receiver = receiver
        self._pairs: Pairs = []
        self._parts = self._others = 0  # how many; bytes besides the song
        self._songs = 0
        self._header = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name: str | None = None  # of a text; None: in the song
        self._text = bytearray()
        self._ended = False
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _bad(str(error)) from None

    def feed(self, data: bytes) -> None:
        before = self._receiver._job.received
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _bad(str(error)) from None
        self._others += len(data) - (self._receiver._job.received - before)
        if self._others > FORM_BYTES:
            raise Refused(413, "too-large", f"A form may have {FORM_BYTES} bytes besides the song.")

    def end(self) -> Pairs:
        if not self._ended:
            raise _bad("it ends in the middle")
        if not self._songs:
            raise _bad("it has no file")
        return self._pairs

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _bad("it has too many parts")
        self._headers = {}
        self._text.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        kind, parameters = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in parameters:
            raise _bad("a part has no name")
        if b"filename" not in parameters:
            self._name = parameters[b"name"].decode("utf-8", "replace")
            return
        self._name = None
        self._songs += 1
        if self._songs > 1:
            raise _bad("it has several files; send one song at a time")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name is None:
            self._receiver.take(data[start:end])
        else:
            self._text += data[start:end]

    def _part_end(self) -> None:
        if self._name is not None:
            self._pairs.append((self._name, self._text.decode("utf-8", "replace")))

    def _end(self) -> None:
        self._ended = True


def _bad(reason: str) -> Refused:
    return Refused(400, "form", f"This is not a form with a song in it: {reason}.")

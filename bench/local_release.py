"""Serve random models as GitHub serves the official ones, to try the download.

    python bench/local_release.py [--port 8765] [--rate MB_PER_SECOND]
    GITHUB_HOST=http://127.0.0.1:8765 spleeterrt separate -p spleeter:2stems song.mp3

The archives are those of `bench/make_checkpoints.py`. Answers single byte ranges, so that a broken
download can be resumed; `--rate` slows it down, to have time to break it.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import time
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from common import CACHE, MODEL_NAMES, MODELS
from peers import ensure_checkpoints, run_official

RELEASE = CACHE / "release"
CHUNK = 1 << 16


class ReleaseHandler(SimpleHTTPRequestHandler):
    """Static files, with `Range: bytes=N-`."""

    rate: float | None = None  # bytes per second

    def send_head(self) -> BinaryIO | None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if match is None or not path.is_file():
            return super().send_head()
        start, size = int(match[1]), path.stat().st_size
        if start >= size:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        file = path.open("rb")
        file.seek(start)
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(size - start))
        self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        return file

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:
        with contextlib.suppress(ConnectionError):  # the client went away
            while chunk := source.read(CHUNK):
                outputfile.write(chunk)
                if self.rate:
                    time.sleep(len(chunk) / self.rate)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve random models in the layout of the official release.")
    parser.add_argument("--port", type=int, default=8765, help="0: any free one")
    parser.add_argument("--rate", type=float, help="MB per second; default: as fast as it goes")
    parser.add_argument("--directory", type=Path, default=RELEASE, help="what to serve")
    options = parser.parse_args()
    if options.directory == RELEASE:
        ensure_checkpoints()
        archives = [next(RELEASE.rglob(f"{name}.tar.gz"), None) for name in MODEL_NAMES]
        if None in archives:
            run_official("make_checkpoints.py", "--models", MODELS, "--release", RELEASE)
    ReleaseHandler.rate = options.rate * 1e6 if options.rate else None
    handler = partial(ReleaseHandler, directory=str(options.directory))
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        print(f"GITHUB_HOST=http://127.0.0.1:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()

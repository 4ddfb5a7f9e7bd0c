"""Spleeter's `utils.logging`.

As there, importing this module writes what the package reports, from INFO on, to standard output:
`INFO:spleeter:File vocals.wav written succesfully`. What was reported to the logger `spleeterrt` then
passes the logger `spleeter` on its way, whose level and handlers count.
"""

from __future__ import annotations

import logging
import sys


class TyperLoggerHandler(logging.Handler):
    """Prints to standard output, whatever that is at the time (Spleeter's name)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stdout, flush=True)
        except Exception:
            self.handleError(record)


formatter = logging.Formatter("%(levelname)s:spleeter:%(message)s")
handler = TyperLoggerHandler()
handler.setFormatter(formatter)
logger = logging.getLogger("spleeter")
logger.addHandler(handler)
logging.getLogger("spleeterrt").parent = logger
logger.setLevel(logging.INFO)  # after that: it also empties logging's caches of levels


def configure_logger(verbose: bool) -> None:
    """Report everything (DEBUG), or as before. Python's warnings are left as they are."""
    if verbose:
        logger.setLevel(logging.DEBUG)


# Spleeter 1.4 and 1.5


def get_logger() -> logging.Logger:
    return logger


def enable_logging() -> None:
    logger.setLevel(logging.INFO)


def enable_verbose_logging() -> None:
    logger.setLevel(logging.DEBUG)


def enable_tensorflow_logging() -> None:
    """As `enable_verbose_logging`: there is no TensorFlow whose messages could be shown."""
    logger.setLevel(logging.DEBUG)

"""Spleeter's `options`: the parameters of its commands.

They are Typer's, as in Spleeter, where Typer is installed; else each is its default value, so that functions
that have them as their parameters' defaults can be called all the same.
"""

from __future__ import annotations

import os
import tempfile
from importlib import import_module
from typing import Any

from spleeterrt.audio import Codec

try:
    TYPER: Any = import_module("typer")
except ImportError:
    TYPER = None

_FILE = {"exists": True, "readable": True, "resolve_path": True}


def _option(default: Any, *flags: str, help: str, **settings: Any) -> Any:
    return default if TYPER is None else TYPER.Option(default, *flags, help=help, **settings)


def _required(kind: str, *flags: str, help: str) -> Any:
    """A file (an argument) or a folder (an option) that must be given and be there."""
    if TYPER is None:
        return ...
    settings = {**_FILE, "file_okay": kind == "file", "dir_okay": kind == "folder"}
    return (TYPER.Option if flags else TYPER.Argument)(..., *flags, help=help, **settings)


def version_callback(value: bool) -> None:
    """Print the version and stop, if asked."""
    if value:
        from spleeterrt._version import __version__
        from spleeterrt.compat import __version__ as spleeter

        print(f"Spleeter Version: {spleeter} (spleeterrt {__version__})")
        raise SystemExit(0) if TYPER is None else TYPER.Exit()


def _temporary_folder() -> str:
    """Asked for at import, as in Spleeter, but a read-only system is no reason to fail there."""
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.curdir


AudioInputArgument: Any = _required("file", help="Audio files.")
AudioInputOption: Any = _option(None, "--inputs", "-i", help="Not supported any more: name the files alone.")
AudioAdapterOption: Any = _option(
    "spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter",
    "--adapter",
    "-a",
    help="Class that reads and writes audio.",
)
AudioOutputOption: Any = _option(
    os.path.join(_temporary_folder(), "separated_audio"),
    "--output_path",
    "-o",
    help="Folder of the results.",
)
AudioOffsetOption: Any = _option(0.0, "--offset", "-s", help="Seconds to leave out at the start.")
AudioDurationOption: Any = _option(600.0, "--duration", "-d", help="Seconds to separate at most.")
AudioCodecOption: Any = _option(Codec.WAV, "--codec", "-c", help="Codec of the results.")
AudioBitrateOption: Any = _option("128k", "--bitrate", "-b", help="Bitrate of the results.")
FilenameFormatOption: Any = _option(
    "{filename}/{instrument}.{codec}",
    "--filename_format",
    "-f",
    help="Path of a result: {filename}, {instrument}, {foldername}, {codec}.",
)
ModelParametersOption: Any = _option("spleeter:2stems", "--params_filename", "-p", help="Model.")
MWFOption: Any = _option(False, "--mwf", help="Use a multichannel Wiener filter.")
MUSDBDirectoryOption: Any = _required("folder", "--mus_dir", help="Folder of MUSDB18.")
TrainingDataDirectoryOption: Any = _required("folder", "--data", "-d", help="Folder of the training data.")
VerboseOption: Any = _option(False, "--verbose", help="Report more.")
VersionOption: Any = _option(
    None, "--version", help="Print the version.", callback=version_callback, is_eager=True
)
STFTBackendOption: Any = _option("auto", "--stft-backend", "-B", help="Has no effect (Spleeter 2.0 to 2.3).")

__all__ = [name for name in globals() if name.endswith(("Option", "Argument")) or name == "version_callback"]

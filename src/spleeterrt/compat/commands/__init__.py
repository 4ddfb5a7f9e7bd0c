"""Spleeter 1's `commands`: its parser, and its commands as functions of what that gives."""

from __future__ import annotations

import argparse
import os
import tempfile


def create_argument_parser() -> argparse.ArgumentParser:
    """A parser of Spleeter 1.5's command line (`spleeter separate -i FILE ...`)."""
    parser = argparse.ArgumentParser(prog="spleeter")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name)
        sub.add_argument("-a", "--adapter", dest="audio_adapter")
        sub.add_argument("-p", "--params_filename", dest="configuration", default="spleeter:2stems")
        sub.add_argument("--verbose", action="store_true")
        return sub

    def output(sub: argparse.ArgumentParser) -> None:
        folder = os.path.join(tempfile.gettempdir(), "separated_audio")
        sub.add_argument("-o", "--output_path", default=folder)
        sub.add_argument("-m", "--mwf", dest="MWF", action="store_true")
        sub.add_argument("-B", "--stft-backend", dest="stft_backend", default="auto")

    separate = command("separate")
    output(separate)
    separate.add_argument("-i", "--inputs", dest="inputs", nargs="+", required=True)
    separate.add_argument("-f", "--filename_format", default="{filename}/{instrument}.{codec}")
    separate.add_argument("-d", "--duration", type=float, default=600.0)
    separate.add_argument("-s", "--offset", type=float, default=0.0)
    separate.add_argument("-c", "--codec", default="wav", choices=("wav", "mp3", "ogg", "m4a", "wma", "flac"))
    separate.add_argument("-b", "--bitrate", "--birate", default="128k")  # the latter is Spleeter's
    evaluate = command("evaluate")
    output(evaluate)
    evaluate.add_argument("--mus_dir", required=True)
    command("train").add_argument("-d", "--data", dest="audio_path", required=True)
    return parser

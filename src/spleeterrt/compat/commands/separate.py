"""Spleeter 1's `commands.separate`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.separator import Separator


def entrypoint(arguments: Namespace, params: Any = None) -> None:
    """Separate what `create_argument_parser` parsed; params: not looked at, in Spleeter neither."""
    separator = Separator(arguments.configuration, MWF=arguments.MWF)
    adapter = AudioAdapter.get(arguments.audio_adapter)
    for file in arguments.inputs:
        separator.separate_to_file(
            file,
            arguments.output_path,
            audio_adapter=adapter,
            offset=arguments.offset,
            duration=arguments.duration,
            codec=arguments.codec,
            bitrate=arguments.bitrate,
            filename_format=arguments.filename_format,
        )

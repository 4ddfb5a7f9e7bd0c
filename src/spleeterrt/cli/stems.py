"""`spleeterrt stems`: what is done with finished stems."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from ..audio.stem_files import STEM_CODECS
from ..errors import ArgumentError, SpleeterError, error_code, error_message
from ..names import BIT_DEPTHS, CODECS
from .command import Group
from .completion import complete_files
from .errors import FAILED, handle_errors, usage_errors
from .options import OutputFolder
from .songs import local_path
from .terminal import check_folder, configure_logging, say

_CODECS = tuple(codec for codec in CODECS if codec not in STEM_CODECS)


@click.group(
    cls=Group,
    name="stems",
    examples="""
    spleeterrt stems unpack -o stems song.stem.mp4
    """,
)
def stems() -> None:
    """Take stem files apart."""


@stems.command(
    name="unpack",
    examples="""
    spleeterrt stems unpack -o stems song.stem.mp4
    spleeterrt stems unpack -c flac -f "{filename} - {instrument}.{codec}" -o stems song.stem.m4a
    """,
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, shell_complete=complete_files)
@click.option(
    "-o",
    "--output",
    type=OutputFolder(),
    default=".",
    help="Output folder.  [default: the current one]",
)
@click.option(
    "-f",
    "--filename-format",
    default="{filename}/{instrument}.{codec}",
    show_default=True,
    help="Names of the output files; may use {filename}, {instrument}, {foldername} and {codec}.",
)
@click.option(
    "-c",
    "--codec",
    type=click.Choice(_CODECS, case_sensitive=False),
    default=None,
    help="Output format.  [default: from the ending of the names, or else wav]",
)
@click.option("-b", "--bitrate", default=None, help="Bitrate of lossy codecs.  [default: 128k]")
@click.option(
    "--bit-depth",
    type=click.Choice(BIT_DEPTHS),
    default=None,
    help="Bit depth of lossless files.  [default: that of a lossless stem file, else int16]",
)
@click.option(
    "--tags/--no-tags",
    default=None,
    help="Copy tags and cover, with a title like 'Song (vocals)'.  [default: as of separate]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per file, each on a line of its own."
)
@handle_errors
def unpack_command(files: tuple[str, ...], output: str, as_json: bool, **options: Any) -> None:
    """Write the mix and the stems of stem files to files of their own.

    They have the names that the stem file gives them, and exactly its length. Needs the extra
    spleeterrt[ffmpeg].
    """
    from ..output_paths import output_codec
    from ..unpack import unpack_stems, unpacked_paths

    configure_logging()
    check_folder()
    with usage_errors():
        output_codec(options["filename_format"], options["codec"])
    names = {name: options[name] for name in ("filename_format", "codec")}
    taken = {os.path.realpath(local_path(file)): file for file in files}
    failed = False
    for file in files:
        try:
            for path in unpacked_paths(local_path(file), output, **names).values():
                if other := taken.get(os.path.realpath(path)):
                    raise ArgumentError(
                        f"{file}: {path} is, or holds a track of, {other}; use {{foldername}} in "
                        "--filename-format, or another --output"
                    )
            made = unpack_stems(local_path(file), output, **options)
        except SpleeterError as error:
            failed = True
            say(f"Error: {error_message(error)}", err=True)
            problem = {"code": error_code(error), "message": error_message(error)}
            result: dict[str, Any] = {"file": file, "status": "failed", "error": problem}
        else:
            paths = {name: os.path.abspath(path) for name, path in made.items()}
            taken.update((os.path.realpath(path), file) for path in paths.values())
            result = {"file": file, "status": "done", "stems": paths, "sample_rate": made.sample_rate}
            if not as_json:
                for path in made.values():
                    say(str(path))
        if as_json:
            click.echo(json.dumps(result))
    if failed:
        raise click.exceptions.Exit(FAILED)

"""`unpack_stems`: the tracks of a stem file as files of their own."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from .arguments import path as checked_path
from .arrays import Float32
from .audio import Codec
from .audio.file_objects import local_file
from .audio.reader import AudioReader
from .audio.resample import fit
from .audio.stem_files import MIX, STEM_ENDINGS, is_stem_file, read_names
from .errors import ArgumentError, AudioError, reason
from .file_job import (
    ReadOptions,
    SeparatedFiles,
    WriteOptions,
    check_targets,
    log_files,
    log_warnings,
    stem_tags,
)
from .names import BitDepth, CodecName
from .output_paths import DEFAULT_FORMAT, output_codec, output_paths


def unpack_stems(
    stem_file: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    filename_format: str = DEFAULT_FORMAT,
    codec: Codec | CodecName | None = None,
    bitrate: str | int | None = None,
    bit_depth: BitDepth | None = None,
    tags: bool | None = None,
) -> SeparatedFiles:
    """Write the mix and the stems of a stem file to files of their own, in constant memory.

    All have the length that the file states, to the sample, and its rate. They appear together when all are
    complete. Needs FFmpeg (the extra `ffmpeg`).

    Args:
        stem_file: a `.stem.mp4` or `.stem.m4a` file.
        destination: folder of the results; made if it is missing.
        filename_format: as for `Separator.separate_to_file`; {instrument} is `mix`, or the name of a stem in
            the file, in small letters.
        codec, bitrate, tags: as for `Separator.separate_to_file`.
        bit_depth: `"int16"`, `"int24"` or `"float32"`; None: that of a lossless stem file, else int16.

    Returns:
        The path of each track, by its name.

    Raises:
        AudioError: the file cannot be read or is no stem file, or the output cannot be written.
        SpleeterError: a file name or an option makes no sense.
    """
    source = local_file(checked_path("stem_file", stem_file))
    writing = WriteOptions(output_codec(filename_format, codec), bitrate, tags=tags)
    if writing.is_stem_file:
        raise ArgumentError(f"codec {writing.codec}: the tracks become files of their own; use e.g. wav")
    writing.check_tags()
    paths = unpacked_paths(source, destination, filename_format, codec)
    names = tuple(paths)
    check_targets(source, paths)
    with ExitStack() as opened:
        readers = [opened.enter_context(AudioReader(source, track=1 + place)) for place in range(len(names))]
        rate, channels = readers[0].source_rate, readers[0].channels
        if any((reader.source_rate, reader.channels) != (rate, channels) for reader in readers):
            raise AudioError(f"{source}: its tracks differ in rate or channels; separate --track takes one")
        depth = bit_depth or ("int24" if readers[0].source_bits == 24 else "int16")
        file_rate = writing.file_rate(rate, rate)
        with replace(writing, bit_depth=depth).open(
            paths,
            rate,
            file_rate,
            source,
            channels=channels,
            tags=stem_tags(source, paths, ReadOptions(), writing, rate, file_rate),
        ) as writer:
            for blocks in zip_longest(*readers):
                writer.write(_filled(dict(zip(names, blocks, strict=True))))
    warnings = [message for reader in readers for message in reader.warnings]
    if len({reader.source_frames for reader in readers}) > 1:
        warnings.append(f"{source}: its tracks differ in length: shorter ones end in silence")
    log_warnings(warnings)
    log_files(paths)
    return SeparatedFiles(paths, writer.file_rate, writer.clipped, writer.gain)


def unpacked_paths(
    stem_file: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    filename_format: str = DEFAULT_FORMAT,
    codec: Codec | CodecName | None = None,
) -> dict[str, Path]:
    """Where the tracks of a stem file go; as `unpack_stems`, which writes them."""
    source = local_file(checked_path("stem_file", stem_file))
    names = _names(source)
    return output_paths(
        _song(source), destination, filename_format, output_codec(filename_format, codec), names
    )


def _filled(blocks: dict[str, Float32 | None]) -> dict[str, Float32]:
    """Blocks of one length, with silence where a track has ended."""
    longest = max((block for block in blocks.values() if block is not None), key=len)
    return {
        name: fit(np.zeros_like(longest) if block is None else block, len(longest))
        for name, block in blocks.items()
    }


def _names(source: Path) -> tuple[str, ...]:
    """The names of the tracks, as parts of file names.

    Raises:
        AudioError: it is no stem file.
    """
    try:
        found = read_names(source)
    except (OSError, ValueError) as error:
        raise AudioError(f"{source}: cannot be read: {reason(error)}") from error
    if found is None:
        AudioReader(source).close()  # a file that is cut short says so itself
        raise AudioError(
            f"{source}: not a stem file (it has no names of stems); separate --track N takes one track"
        )
    names = [MIX]
    for number, name in enumerate(found, 1):
        cleaned = re.sub(r"[^\w .+&()-]+", "_", name.lower()).strip(" .") or f"stem {number}"
        names.append(cleaned if cleaned not in names else f"{cleaned} {number}")
    return tuple(names)


def _song(source: Path) -> Path:
    """The stem file as if it were a plain song, for {filename}."""
    if not is_stem_file(source):
        return source
    return source.with_name(source.name[: -len(STEM_ENDINGS[0])] + STEM_ENDINGS[0][-4:])

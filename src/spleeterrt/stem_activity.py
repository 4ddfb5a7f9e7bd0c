"""`activity_of_stems`: when there is singing, from stems that are finished already."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from .activity import Activity, ActivityMeter, ActivitySettings
from .arguments import path as checked_path
from .arrays import Float32
from .audio.blocks import Recut
from .audio.channels import to_stereo
from .audio.reader import AudioReader
from .audio.stem_files import read_names
from .errors import AudioError, SeparationCancelled, reason
from .file_job import log_warnings
from .watching import Cancel, stopper

logger = logging.getLogger("spleeterrt")

_TOLERANCE = 0.25  # seconds by which files of one song may differ: codecs add silence
_VOCALS = ("vocals", "vocal", "vox", "voice", "voices", "acapella")  # as programs call that stem


def vocals_track(stem_file: str | os.PathLike[str]) -> int | None:
    """Which track of a stem file has the vocals, counted from 1 (the mix); None: none, or it is no stem file.

    Raises:
        AudioError: the file cannot be read.
    """
    path = Path(checked_path("stem_file", stem_file))
    try:
        names = read_names(path)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read: {reason(error)}") from error
    return next((number for number, name in enumerate(names or (), 2) if name.lower() in _VOCALS), None)


def activity_of_stems(
    vocals: str | os.PathLike[str],
    mix: str | os.PathLike[str] | None = None,
    *,
    settings: ActivitySettings | None = None,
    downmix: bool = False,
    track: int | None = None,
    cancel: Cancel | None = None,
) -> list[Activity]:
    """When there is singing, from files, in constant memory.

    Args:
        vocals: the stem; it begins when `mix` does.
        mix: the song; None: `vocals` is a stem file, which has both.
        settings: what counts as singing; None: the usual.
        downmix, track: of the song; as for `Separator.separate_to_file`, and so is cancel.

    Returns:
        As `Separator.vocals_activity`.

    Raises:
        AudioError: a file cannot be read, or is no stem file with vocals.
        SeparationCancelled: `cancel` asked it to stop.
    """
    inside, stop = None, stopper(cancel)
    if mix is None:
        inside, track = vocals_track(vocals), 1
        if inside is None:
            raise AudioError(f"{os.fspath(vocals)}: not a stem file with vocals; name the song, too")
    with (
        AudioReader(vocals, track=inside) as stem,
        AudioReader(
            vocals if mix is None else mix, track=track, downmix=downmix, sample_rate=stem.rate
        ) as song,
    ):
        meter = ActivityMeter(stem.rate, settings)
        heard = 0

        def blocks() -> Iterator[Float32]:
            nonlocal heard
            for block in map(to_stereo, song):
                if stop():
                    raise SeparationCancelled("the search was cancelled")
                heard += len(block)
                yield block

        left = blocks()
        whole = Recut(left, 2)
        sung = 0
        for block in map(to_stereo, stem):
            if stop():
                raise SeparationCancelled("the search was cancelled")
            meter.process(block, whole.take(len(block)))
            sung += len(block)
        for _ in left:
            pass
        log_warnings([*stem.warnings, *song.warnings])
        if mix is not None and abs(heard - sung) > _TOLERANCE * stem.rate:
            logger.warning(
                "%s lasts %.1f s, %s %.1f s: what is missing of one of them counts as silence",
                os.fspath(vocals),
                sung / stem.rate,
                os.fspath(mix),
                heard / stem.rate,
            )
    return meter.finish()

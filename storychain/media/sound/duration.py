"""How long a sound file of somebody else's lasts, without decoding it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from storychain.errors import MediaError
from storychain.media.probe import CONFINED
from storychain.media.sound.intake import examine

if TYPE_CHECKING:
    from pathlib import Path


def seconds_of(sound: Path) -> Fraction:
    """The length its container tells, 0 where it tells none. Raises MediaError where it is no sound."""
    demuxer, index = examine(sound)
    try:
        with av.open(str(sound.absolute()), format=demuxer, options=CONFINED) as opened:
            stream = opened.streams[index]
            if stream.duration is not None and stream.time_base is not None:
                return Fraction(stream.duration) * stream.time_base
            return Fraction(opened.duration or 0, av.time_base)
    except FFmpegError as error:
        raise MediaError("this is not a sound that can be read", where=str(sound)) from error

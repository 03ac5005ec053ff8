"""The door for sound files of other people's: whatever ffmpeg reads as sound comes in as a WAV like our own.

What leads elsewhere (playlists) or is no sound is refused here, by what is in the file and never by its name.
"""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import ffmpeg as build
from av.error import FFmpegError

from storychain.errors import MediaError
from storychain.media.probe import CONFINED
from storychain.media.recipes import PLAIN, SOUND_RATE, patience
from storychain.media.sound.join import length_of
from storychain.media.tool import FfmpegFailed, run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.media.tool import Ffmpeg

_FORMATS = "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,eac3,flac,matroska,mov,mp2,mp3,mpc,mpc8,ogg,tak,tta,w64,wav,wv"
"""Demuxers that may look at a file: none that reads other files."""

_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<asx", b"<ASX", b"<?xml", b"#EXTINF")

_ADVICE = "Give a sound file: MP3, M4A, WAV, FLAC, Ogg or the like."


async def taken_in(ffmpeg: Ffmpeg, sound: Path, wav: Path, *, most: Fraction, gain: float = 0.0) -> int:
    """Write the first `most` seconds of a sound file as `wav` (48 kHz stereo, 16 bits), `gain` dB louder; its samples.

    `wav` lies in an existing folder of the caller's own. Raises MediaError: no sound, empty, a playlist, damaged.
    """
    demuxer, index = await asyncio.to_thread(examine, sound)
    cut = (
        build.input(str(sound.absolute()), f=demuxer)[str(index)]
        .filter("volume", volume=f"{gain:.2f}dB", precision="float")
        .filter("aresample", SOUND_RATE)
        .filter("aformat", sample_fmts="s16", channel_layouts="stereo")
        .filter("atrim", end_sample=int(most * SOUND_RATE))
        .output(wav.name, f="wav", **{"c:a": "pcm_s16le"}, **PLAIN)
    )
    argv = [str(arg) for arg in cut.get_args()]
    try:
        await run_ffmpeg(ffmpeg, argv, timeout=patience(most), cwd=wav.parent, where=str(sound))
    except FfmpegFailed as error:
        what = f"this sound cannot be decoded: {error.what}"
        raise MediaError(what, where=str(sound), next_step=_ADVICE) from error
    samples = await asyncio.to_thread(length_of, wav)
    if samples == 0:
        raise MediaError("there is no sound in this file", where=str(sound), next_step=_ADVICE)
    return samples


def examine(sound: Path) -> tuple[str, int]:
    """The demuxer a sound is read with, and which of its streams is sound."""
    try:
        with sound.open("rb") as file:
            head = file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}", where=str(sound)) from error
    if not head:
        raise MediaError("this file is empty", where=str(sound), next_step=_ADVICE)
    if head.startswith(_PLAYLISTS):
        what = "this is a playlist, not a sound"
        raise MediaError(what, where=str(sound), next_step="Give the sound file it leads to.")
    try:
        # An absolute path cannot be taken for an address.
        with av.open(str(sound.absolute()), options=CONFINED | {"format_whitelist": _FORMATS}) as opened:
            if not opened.streams.audio:
                raise MediaError("there is no sound in this file", where=str(sound), next_step=_ADVICE)
            return opened.format.name.split(",")[0], opened.streams.audio[0].index
    except FFmpegError as error:
        raise MediaError("this is not a sound that can be read", where=str(sound), next_step=_ADVICE) from error

"""Bringing one prepared segment into the form of the others, where its picture cannot be copied beside theirs."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import ffmpeg as build

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name
from storychain.media.prepare import Prepared
from storychain.media.probe import Probe, probe
from storychain.media.recipes import PLAIN, cut_sound, encoded, patience, reshaped, samples_of
from storychain.media.tool import run_ffmpeg

if TYPE_CHECKING:
    from storychain.media.form import Form
    from storychain.media.tool import Ffmpeg


_RECIPE = 3
"""Counts up when files are re-made differently: those made before are then made anew."""


async def conform(ffmpeg: Ffmpeg, prepared: Prepared, target: Form) -> Prepared:
    """`prepared` itself where its form is `target`; else it with picture and sound re-made, kept beside the others.

    Re-encoding takes 2 to 5 s for 8 s of 720p, and is done once for each form. Raises MediaError.
    """
    if prepared.probe.form == target:
        return prepared
    how = _RECIPE, ffmpeg.version, target, prepared.picture.stat().st_mtime_ns
    mark = hashlib.sha256(repr(how).encode()).hexdigest()[:12]
    made = replace(
        prepared, picture=prepared.folder / f"picture-{mark}.mov", sound=prepared.folder / f"sound-{mark}.wav"
    )
    frames = max(1, round(prepared.probe.seconds * target.fps))
    if not made.picture.exists():
        await _make(ffmpeg, prepared, made, target, frames)
    facts = await asyncio.to_thread(probe, made.picture)
    _check(facts, target, frames, made)
    return replace(made, probe=replace(facts, audio=prepared.probe.audio))


async def _make(ffmpeg: Ffmpeg, prepared: Prepared, made: Prepared, target: Form, frames: int) -> None:
    picture = build.input(str(prepared.picture.absolute()), f="mov")["v:0"]
    sound = build.input(str(prepared.sound.absolute()), f="wav")["a:0"]
    argv = build.merge_outputs(
        reshaped(picture, prepared.probe.form, target).output("picture.mov", **encoded(target, frames)),
        cut_sound(sound, samples_of(frames / target.fps)).output("sound.wav", **{"c:a": "pcm_s16le"}, **PLAIN),
    ).get_args()
    with folder_aside(prepared.folder) as aside:
        limit = patience(prepared.probe.seconds)
        await run_ffmpeg(ffmpeg, argv, timeout=limit, cwd=aside, where=str(prepared.picture))
        # The picture last: where it is, the sound is too.
        await asyncio.to_thread(give_name, aside / "sound.wav", made.sound)
        await asyncio.to_thread(give_name, aside / "picture.mov", made.picture)


def _check(facts: Probe, target: Form, frames: int, made: Prepared) -> None:
    if facts.form != target or facts.frames != frames:
        what = f"re-encoding gave {facts.frames} frames of {facts.form}, not {frames} of {target}"
        raise MediaError(what, where=str(made.picture), next_step="Remove the file and run again.")

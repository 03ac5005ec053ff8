"""Renders one segment: sources in, a video out, whole or not at all. Knows neither jobs nor HTTP."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from storychain.errors import MediaError
from storychain.studio.animatic.canvas import Stage
from storychain.studio.animatic.card import prints, stamped, title_card
from storychain.studio.animatic.graph import Layers, command, merged, repeating
from storychain.studio.animatic.look import Look, World, look_for, seed_of
from storychain.studio.animatic.process import run
from storychain.studio.animatic.scenery import paint
from storychain.studio.animatic.shot import Shot, Source
from storychain.studio.animatic.sound import bed
from storychain.studio.animatic.stills import Still, has_sound, image, last_of_video, open_image
from storychain.studio.sources import SourceRefused

_SECONDS_PER_SECOND = 30.0
"""How long rendering one second may take before it is given up."""


async def render(
    shot: Shot,
    video: Path,
    *,
    ffmpeg: Path,
    scratch: Path,
    on_frame: Callable[[int], None],
    environ: Mapping[str, str] | None = None,
) -> None:
    """Render `shot` to the file `video`, working in `scratch`; `environ` is what ffmpeg is started with.

    Raises SourceRefused for a source that is not what its field says, MediaError if ffmpeg cannot do it.
    The same shot with the same source bytes gives the same bytes.
    """
    opening = await asyncio.to_thread(_opening, shot)
    world = opening.world if opening and opening.world else World(seed_of(shot.prompt))
    look = look_for(shot.prompt, world)
    layers = await asyncio.to_thread(_paint, shot, look, world, opening, scratch)
    fresh = scratch / "segment.mp4"
    limit = 20 + _SECONDS_PER_SECOND * shot.seconds
    await run(command(ffmpeg, shot, layers, fresh), environ, seconds=limit, on_frame=on_frame)
    if shot.extends and "media.same" in shot.flaws:
        await asyncio.to_thread(shutil.copyfile, shot.extends.path, fresh)
    elif shot.extends and shot.flaws & {"media.merged", "media.repeat"}:
        longer = scratch / "longer.mp4"
        await run(_behind(ffmpeg, shot, shot.extends.path, fresh, longer, layers.tag), environ, seconds=limit)
        fresh = longer
    await asyncio.to_thread(fresh.replace, video)


def _behind(ffmpeg: Path, shot: Shot, source: Path, fresh: Path, output: Path, tag: str) -> list[str]:
    """The command for a segment that does not begin where it should."""
    if "media.repeat" in shot.flaws:
        return repeating(ffmpeg, shot, source, fresh, output, tag)
    sound = "media.silent" not in shot.flaws and has_sound(source)
    return merged(ffmpeg, shot, source, fresh, output, tag, sound=sound)


def _opening(shot: Shot) -> Still | None:
    if shot.extends:
        return _still(last_of_video, shot.extends, shot)
    return _still(image, shot.first_image, shot) if shot.first_image else None


def _still(read: Callable[[Path, int, int], Still], source: Source, shot: Shot) -> Still:
    try:
        return read(source.path, shot.width, shot.height)
    except MediaError as error:
        raise SourceRefused(source.field, error.what) from error


def _paint(shot: Shot, look: Look, world: World, opening: Still | None, scratch: Path) -> Layers:
    plates = []
    stage = Stage(shot.width, shot.height, shot.seconds * 24)
    for place, plate in enumerate(paint(look, world, stage)):
        path = scratch / f"plate{place}.rgba"
        path.write_bytes(plate.pixels.tobytes())
        plates.append((plate, path))
    return Layers(
        plates=tuple(plates),
        cards=tuple(_cards(shot, look, scratch)),
        opening=_planes(opening, scratch / "opening.yuv") if opening else None,
        sound=bed(look, world.seed + world.frame, shot.frames // shot.fps),
        tag=world.after(look, shot.seconds * 24).tag(),
    )


def _cards(shot: Shot, look: Look, scratch: Path) -> Iterator[tuple[Path, int, int]]:
    """The words and the prints as files, each no larger than what is drawn on it, with its place."""
    size = (shot.width, shot.height)
    cards = [title_card(shot.prompt, _heading(shot), size, look.palette.light)]
    if shot.stamp:
        cards[0].alpha_composite(stamped(shot.stamp, size))
    if shot.references:
        cards.append(prints([_reference(source) for source in shot.references], size))
    for place, card in enumerate(cards):
        left, top, right, bottom = card.getbbox() or (0, 0, 2, 2)
        x, y = left // 2 * 2, top // 2 * 2
        path = scratch / f"card{place}.png"
        card.crop((x, y, right, bottom)).save(path, "PNG", compress_level=1)
        yield path, x, y


def _reference(source: Source) -> Image.Image:
    try:
        return open_image(source.path)
    except MediaError as error:
        raise SourceRefused(source.field, error.what) from error


def _heading(shot: Shot) -> str:
    begins = "EXTENDS" if shot.extends else "FIRST FRAME" if shot.first_image else ""
    begins = begins or ("REFERENCES" if shot.references else "")
    return " · ".join(part for part in ("SCENE", shot.model, f"{shot.seconds}s", begins) if part)


def _planes(still: Still, path: Path) -> Path:
    path.write_bytes(still.planes)
    return path

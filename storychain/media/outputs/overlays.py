"""Pictures that are laid over a film, as PNG files of its size: captions, cards, a watermark.

How words look is decided in the lettering room; when a picture is shown, where the film is put together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageOps

from storychain.errors import MediaError
from storychain.lettering.captions import caption
from storychain.lettering.cards import card, cut
from storychain.lettering.lines import TEXT, Face, drawable, undrawable
from storychain.media.aside import folder_aside, give_name
from storychain.media.outputs.threads import to_its_end
from storychain.media.probe import MOST_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]

_KINDS = ("PNG", "JPEG", "WEBP")
_MARGIN = 0.045
"""From the corner to the watermark, as a share of the film's shorter side."""

_TALLEST = 0.4
"""Most of the film's height that a watermark takes, however narrow it is."""

_NO_FONT = "Install a font for their script (the Noto fonts have most), or leave them out."


def readable(text: str) -> bool:
    """Whether fonts of this machine have enough of these letters for the text to be read; worth asking early."""
    return bool(drawable(" ".join(text.split()), Face(TEXT, 16)))


def unseen(text: str) -> tuple[str, ...]:
    """The letters of a text that no font of this machine has: they are left out wherever it is drawn."""
    return undrawable(text, Face(TEXT, 16))


def cut_on_card(title: str, subtitle: str, size: tuple[int, int]) -> tuple[bool, bool]:
    """Whether the ends of the title and of the subtitle do not fit on a card of this size (width, height)."""
    return cut(title, subtitle, size)


async def caption_png(text: str, size: tuple[int, int], out: Path) -> None:
    """A caption on a clear picture of the film's size (width, height): white, softly outlined, above the lower edge.

    Lines that are broken already stay so where they fit (`lettering.captions.columns_for` says how many letters do).
    Raises MediaError where no font here has its letters, DiskTrouble where nothing can be written.
    """
    await to_its_end(lambda: _keep(_drawn(caption(text, size), text), out))


async def card_png(
    title: str, subtitle: str, size: tuple[int, int], out: Path, within: tuple[int, int] | None = None
) -> None:
    """A card that fills the film's size (width, height): a title, and smaller words below it unless `subtitle` is "".

    Where no more is going to be seen of it than its middle, of the size `within`, it is set for that. Raises MediaError
    where no font here has the title's letters, DiskTrouble where nothing can be written.
    """

    def drawn() -> Image.Image:
        seen = _drawn(card(title, subtitle, within or size), title)
        if within is None:
            return seen
        sheet = Image.new("RGB", size)
        sheet.paste(seen, ((size[0] - within[0]) // 2, (size[1] - within[1]) // 2))
        return sheet

    await to_its_end(lambda: _keep(drawn(), out))


def check_picture(image: Path) -> None:
    """Raise MediaError where a file is no picture that can be laid over a film."""
    _opened(image)


async def watermark_png(
    image: Path, size: tuple[int, int], out: Path, *, corner: Corner, width: float, opacity: float
) -> None:
    """A picture (PNG, JPEG or WebP) in a corner of a clear one of the film's size (width, height).

    `width` is its share of the film's width, `opacity` 0 to 1 on top of its own. Raises MediaError where it is no such
    picture, DiskTrouble where nothing can be written.
    """
    await to_its_end(lambda: _keep(_marked(image, size, corner, width, opacity), out))


def _drawn(picture: Image.Image | None, words: str) -> Image.Image:
    if picture is None:
        shown = words if len(words) <= 40 else f"{words[:39]}…"
        raise MediaError(f"no font on this machine can draw “{shown}”", next_step=_NO_FONT)
    return picture


def _keep(picture: Image.Image, out: Path) -> None:
    with folder_aside(out.parent) as aside:
        # They are read once or twice and thrown away: small is not worth waiting for.
        picture.save(aside / "picture", "PNG", compress_level=2)
        give_name(aside / "picture", out)


def _marked(image: Path, size: tuple[int, int], corner: Corner, width: float, opacity: float) -> Image.Image:
    mark = _opened(image)
    scale = min(size[0] * width / mark.width, size[1] * _TALLEST / mark.height)
    mark = _scaled(mark, (max(1, round(mark.width * scale)), max(1, round(mark.height * scale))))
    mark.putalpha(mark.getchannel("A").point(lambda value: round(value * opacity)))
    margin = round(min(size) * _MARGIN)
    down, across = corner.split("-")
    left = margin if across == "left" else size[0] - margin - mark.width
    top = margin if down == "top" else size[1] - margin - mark.height
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    sheet.paste(mark, (max(0, left), max(0, top)))
    return sheet


def _opened(image: Path) -> Image.Image:
    """The picture upright, with transparency. It may be anything: its size is looked at before it is unpacked."""
    try:
        with Image.open(image, formats=_KINDS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise _unusable(image, f"this picture is too large: {opened.width} by {opened.height} pixels")
            return ImageOps.exif_transpose(opened).convert("RGBA")
    except OSError as error:
        # What the system refused has a number; what Pillow did not understand has none.
        raise _unusable(image, f"cannot be read: {error.strerror}" if error.strerror else _NO_PICTURE) from error
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unusable(image, _NO_PICTURE) from error


_NO_PICTURE = "this is not a PNG, JPEG or WebP picture that can be read"


def _unusable(image: Path, what: str) -> MediaError:
    return MediaError(what, where=str(image), next_step="Give another picture.")


def _scaled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scaled with its colours weighted by how much they are seen, or clear edges would bleed dark into it."""
    return picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGBA")

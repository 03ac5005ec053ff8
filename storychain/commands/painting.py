"""Who paints the placeholders of a run: the studio's renderer, without its server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.chain.card import Card, Painter
    from storychain.media.tool import Ffmpeg


def painter(ffmpeg: Ffmpeg) -> Painter:
    """A painter that works with this ffmpeg; it is loaded when first asked."""

    async def paint(card: Card, video: Path) -> None:
        from storychain.studio import paint_placeholder  # noqa: PLC0415 - a renderer is slow to import

        await paint_placeholder(
            video,
            ffmpeg=ffmpeg.path,
            environ=ffmpeg.environ,
            scene=card.scene,
            words=card.words,
            aspect_ratio=card.aspect_ratio,
            seconds=card.seconds,
            size=card.size,
            rate=card.rate,
        )

    return paint

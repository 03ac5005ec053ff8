"""Stacks the layers of a segment from back to front. Paints none of them."""

from __future__ import annotations

from storychain.studio.animatic.canvas import Plate, Stage
from storychain.studio.animatic.look import Look, World
from storychain.studio.animatic.props import boat, bokeh, glitter, lighthouse, weather
from storychain.studio.animatic.ridges import ridges
from storychain.studio.animatic.sky import clouds, paper, sky


def paint(look: Look, world: World, stage: Stage) -> list[Plate]:
    """The layers from back to front; the first is opaque and as large as the frame."""
    return [
        *(sky(look, world, stage), clouds(look, world, stage)),
        *(_sea(look, world, stage) if look.terrain == "sea" else ridges(look, world, stage)),
        *(bokeh(look, world, stage) if look.terrain == "room" else ()),
        *([lighthouse(look, stage)] if look.lighthouse and look.terrain != "sea" else ()),
        *weather(look, world, stage),
        paper(stage.width, stage.height),
    ]


def _sea(look: Look, world: World, stage: Stage) -> list[Plate]:
    """The far shore, the glitter, what is on the water, and the near shore or waves before it."""
    far, *near = ridges(look, world, stage)
    things = [glitter(look, world, stage)]
    if look.boat:
        things.append(boat(look, stage))
    if look.lighthouse:
        near.insert(-1, lighthouse(look, stage))
    return [far, *things, *near]

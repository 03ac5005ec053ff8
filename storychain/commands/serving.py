"""The command `studio`: the local server by itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.commands.desk import desk
from storychain.commands.interrupts import interrupts
from storychain.media.tool import find_ffmpeg
from storychain.studio import Options, parse_faults, serve

if TYPE_CHECKING:
    from storychain.catalogue import Catalogue
    from storychain.media.tool import Ffmpeg


def studio(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. Prints the base address on stdout, once it answers."""
    at = desk(arguments)
    home = Path(arguments.home) if arguments.home else at.workspace.studio
    options = studio_options(arguments, home, find_ffmpeg(at.environ), at.settings.catalogue)
    asyncio.run(_serve(options, arguments.port))
    return 0


def studio_options(arguments: argparse.Namespace, home: Path, ffmpeg: Ffmpeg, catalogue: Catalogue) -> Options:
    """What a command line says about the studio."""
    return Options(
        home=home,
        ffmpeg=ffmpeg.path,
        environ=ffmpeg.environ,
        faults=parse_faults(arguments.fault),
        seed=arguments.seed,
        latency=arguments.latency,
        scale=arguments.scale,
        renders=Path(arguments.renders) if arguments.renders else None,
        models=catalogue,
    )


async def _serve(options: Options, port: int) -> None:
    stop = asyncio.Event()
    with interrupts(stop.set):
        await _serve_until(stop, options, port)


async def _serve_until(stop: asyncio.Event, options: Options, port: int) -> None:
    async with serve(options, port=port) as running:
        print(running.base_url, flush=True)
        print(
            f"The studio is open; Ctrl-C closes it. To use it from another terminal:\n"
            f"  export PICTORY_API_BASE_URL={running.base_url} PICTORY_API_KEY=pictai_studio\n"
            f"  export STORYCHAIN_WORKSPACE=.storychain-studio   # keeps stand-ins apart from what you pay for",
            file=sys.stderr,
            flush=True,
        )
        await stop.wait()

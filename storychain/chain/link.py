"""What a scene begins from: its parent's video or last picture, or the story's start files, as public addresses.

An address just given by the provider is used as it is. An older one is tried first; if it is gone the job is asked for
a new one, and if that is gone too the stored bytes are uploaded. Nothing is uploaded twice.
"""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.run import Run, off_loop
from storychain.media.prepare import Prepared
from storychain.provider import Job, SegmentRequest
from storychain.workspace import sha256_of

if TYPE_CHECKING:
    from storychain.plan import Step
    from storychain.story.model import Source, Story


@dataclass(frozen=True, slots=True)
class Link:
    """A finished segment as its successor sees it.

    `job` tells its addresses, `fresh` that they were given moments ago; `home` is done once its bytes are stored.
    """

    key: str
    job: Job
    fresh: bool
    home: asyncio.Future[Prepared] = field(compare=False)


def request_for(story: Story, step: Step) -> SegmentRequest:
    """What is asked for a scene, before it is known what it begins from."""
    return SegmentRequest(step.scene.prompt, step.model, story.aspect_ratio, step.scene.seconds)


async def begin_from_start(run: Run, story: Story, request: SegmentRequest) -> SegmentRequest:
    """Let the first scene begin from the story's start files."""
    if story.start is None:
        return request
    urls = tuple([await _public(run, source) for source in story.start.sources])
    match story.start.kind:
        case "video":
            return replace(request, extend_video_url=urls[0])
        case "image":
            return replace(request, first_frame_image_url=urls[0])
        case "references":
            return replace(request, reference_image_urls=urls)


async def begin_from_parent(run: Run, step: Step, parent: Link, request: SegmentRequest) -> SegmentRequest:
    """Let a scene begin from the segment before it."""
    if step.scene.join == "last_frame":
        return replace(request, first_frame_image_url=await _frame_address(run, parent))
    return replace(request, extend_video_url=await _video_address(run, parent))


async def begin_from_upload(run: Run, step: Step, parent: Link, request: SegmentRequest) -> SegmentRequest:
    """The same from our own copy: for a provider that could not read the address it gave us itself."""
    if step.scene.join == "last_frame":
        return replace(request, first_frame_image_url=await _uploaded_frame(run, parent))
    return replace(request, extend_video_url=await _uploaded_video(run, parent))


async def _video_address(run: Run, parent: Link) -> str:
    job = await _with_living_address(run, parent, "url")
    return job.url if job and job.url else await _uploaded_video(run, parent)


async def _frame_address(run: Run, parent: Link) -> str:
    job = await _with_living_address(run, parent, "last_frame_url")
    return job.last_frame_url if job and job.last_frame_url else await _uploaded_frame(run, parent)


async def _with_living_address(run: Run, parent: Link, name: str) -> Job | None:
    """The parent's job if the address called `name` works, else the job read anew if that has one, else None."""
    url = getattr(parent.job, name)
    if url and (parent.fresh or await run.provider.alive(url)):
        return parent.job
    if parent.fresh:
        return None
    job = await run.provider.job(parent.job.id)
    url = getattr(job, name)
    return job if url and await run.provider.alive(url) else None


async def _uploaded_video(run: Run, parent: Link) -> str:
    await asyncio.shield(parent.home)
    return await _upload(run, run.workspace.segment(parent.key), "video/mp4")


async def _uploaded_frame(run: Run, parent: Link) -> str:
    await asyncio.shield(parent.home)
    frame = run.workspace.frame(parent.key)
    frame.parent.mkdir(parents=True, exist_ok=True)
    # Made anew each time: nobody knows the hash of one that lay there, and a paid segment will begin with it.
    await run.room.last_frame(run.workspace.segment(parent.key), frame)
    return await _upload(run, frame, "image/png")


async def _public(run: Run, source: Source) -> str:
    """The address of a start file; a local one is uploaded."""
    if source.path is None:
        return source.url or source.written
    kind = mimetypes.guess_type(source.path.name)[0] or "application/octet-stream"
    return await _upload(run, source.path, kind)


async def _upload(run: Run, file: Path, content_type: str) -> str:
    sha256 = await off_loop(sha256_of, file)
    known = await run.on_record(run.ledger.uploaded, run.provider.name, sha256)
    if known and await run.provider.alive(known):
        return known
    url = await run.provider.upload(file, content_type)
    await run.on_record(run.ledger.remember_upload, run.provider.name, sha256, url)
    return url

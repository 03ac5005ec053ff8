"""Jobs as the API tells them: the shapes of its answers. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from storychain.studio.records import Job

Address = Callable[[Job, str], str]
"""The signed address of one of a job's files, by its ending (`records.MEDIA_ENDINGS`)."""

JOB_NOT_FOUND = {"success": False, "data": {"error_code": "5000", "error_message": "JOB_NOT_FOUND"}}


def job_answer(job: Job, progress: int, address: Address) -> dict[str, Any]:
    """What a poll is told."""
    return {"job_id": job.id, "success": job.status != "failed", "data": _data(job, progress, address)}


def list_item(job: Job, progress: int, address: Address) -> dict[str, Any]:
    """What a list says of one job."""
    return {"success": job.status != "failed", "data": {"jobId": job.id} | _data(job, progress, address)}


def bare_item(job: Job) -> dict[str, Any]:
    """The same where a list tells no more than it is documented to."""
    return {"success": job.status != "failed", "data": {"jobId": job.id, "status": job.status}}


def mute_item(job: Job) -> dict[str, Any]:
    """The same of a list that tells of a job nothing but its name."""
    return {"success": True, "data": {"jobId": job.id}}


def transaction(job: Job) -> dict[str, Any]:
    """What the usage says of a completed job."""
    return {
        "transactionId": f"txn_{job.id}",
        "type": "debit",
        "amount": number(job.credits),
        "source": "AI Studio",
        "description": f"{job.model} video, {job.seconds}s",
        "plan": "Studio",
        "transactionDate": _iso(job.ended_at or job.accepted_at),
    }


def number(amount: Decimal) -> float | int:
    """Credits as a JSON number: 160, not 160.0; 12.8."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _data(job: Job, progress: int, address: Address) -> dict[str, Any]:
    match job.status:
        case "completed":
            return _completed(job, address)
        case "failed":
            return {"status": "failed", "error_code": job.error_code, "error_message": job.error_message}
        case "cleaned":
            return {"status": "cleaned"}
        case _:
            return {"status": "in-progress", "renderProgress": progress}


def _completed(job: Job, address: Address) -> dict[str, Any]:
    data = {
        "status": "completed",
        "url": address(job, ".mp4"),
        "duration": f"{job.seconds}s",
        "width": job.width,
        "height": job.height,
        "aiCreditsUsed": number(job.credits),
        "thumbnailUrl": address(job, "-thumbnail.jpg"),
        "previewUrl": address(job, "-preview.jpg"),
    }
    last = {} if "media.no_last_frame" in job.faults else {"lastFrameImageUrl": address(job, "-last.png")}
    return data | last


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

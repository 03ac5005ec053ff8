"""Tells a client's webhook that a job has ended: one call, one retry, never waited for by anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

_TRIES = 2
_PAUSE = 0.5
_TIMEOUT = httpx.Timeout(5.0)


async def tell(url: str, payload: Mapping[str, Any]) -> bool:
    """POST the payload; whether any try was answered with 2xx."""
    async with httpx.AsyncClient(timeout=_TIMEOUT, headers={"User-Agent": "storychain-studio"}) as client:
        for left in reversed(range(_TRIES)):
            if await _told(client, url, payload):
                return True
            await asyncio.sleep(_PAUSE * left)
    return False


async def _told(client: httpx.AsyncClient, url: str, payload: Mapping[str, Any]) -> bool:
    try:
        return (await client.post(url, json=payload)).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False

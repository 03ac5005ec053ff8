"""Addresses that expire: signed paths and their checking. Pure but for the clock that callers hand in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode


def sign(secret: bytes, path: str, expires: float, *, extra: str = "") -> str:
    """`path` with a query that lets it be used until `expires` (seconds since the epoch)."""
    until = f"{expires:.3f}".removesuffix(".000")
    return f"{path}?{urlencode({'Expires': until, 'Signature': _signature(secret, path, until, extra)})}"


def refusal(secret: bytes, path: str, query: Mapping[str, str], now: float, *, extra: str = "") -> str | None:
    """Why `path` may not be used now: `AccessDenied`, `SignatureDoesNotMatch`, `ExpiredToken`, or None."""
    until, given = query.get("Expires", ""), query.get("Signature", "")
    if not until or not given:
        return "AccessDenied"
    if not hmac.compare_digest(given.encode(), _signature(secret, path, until, extra).encode()):
        return "SignatureDoesNotMatch"
    return "ExpiredToken" if now >= float(until) else None


def _signature(secret: bytes, path: str, until: str, extra: str) -> str:
    return hmac.new(secret, f"{path}\n{until}\n{extra}".encode(), hashlib.sha256).hexdigest()[:40]

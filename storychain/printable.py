"""Words from strangers made fit to be shown: no control characters, no signed addresses, no keys, no endless text."""

from __future__ import annotations

import re
import unicodedata

_ADDRESS_TAIL = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", re.IGNORECASE)
_PASSWORD = re.compile(r"(https?://)[^\s/?#\"'<>]*@", re.IGNORECASE)
_KEY = re.compile(r"pictai_[\w.~+/=-]+")


def printable(text: str, limit: int = 500) -> str:
    """One line of `text`: control and direction-changing characters dropped, queries of addresses and keys hidden."""
    line = " ".join(text.split())
    kept = "".join(char for char in line if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co"))
    hidden = _KEY.sub("pictai_…", _PASSWORD.sub(r"\1", _ADDRESS_TAIL.sub(r"\1", kept)))
    return hidden if len(hidden) <= limit else hidden[: limit - 1] + "…"


def without_query(url: str) -> str:
    """An address without its query, which may be a signature, and without a password."""
    return _PASSWORD.sub(r"\1", url.partition("?")[0].partition("#")[0])

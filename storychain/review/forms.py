"""What people send by the forms of a page, read and carried out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

from storychain import directing as deciding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from storychain.directing import Table
    from storychain.ledger import Ledger
    from storychain.records import Verdict

_MOST_BYTES = 64 << 10
"""Of a form; the longest note is a fraction of it."""

_MOST_FIELDS = 20


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, the last of each name. Raises HTTPException (400, 413, 415)."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(415, "This is no form.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "This is too long.")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400, f"A form has {_MOST_FIELDS} fields at the most.") from error
    return {name: values[-1] for name, values in fields.items()}


def decide(ledger: Ledger, table: Table, scene: str, key: str, what: str, told: Mapping[str, str]) -> None:
    """Carry out what a form about a take asks for. Raises HTTPException (400, 404), UsageError."""
    match what:
        case "verdict" if told.get("verdict") in ("approved", "rejected"):
            verdict = cast("Verdict", told["verdict"])
            deciding.judge(ledger, table, scene, key, verdict, told.get("note", ""))
        case "comment":
            second = _second(told.get("second", ""), table.take(scene, key).seconds)
            deciding.comment(ledger, table, scene, key, told.get("text", ""), second)
        case "pick":
            deciding.pick(ledger, table, scene, key)
        case "verdict":
            raise HTTPException(400, "A take is approved or rejected.")
        case _:
            raise HTTPException(404, "There is no such form.")


def _second(text: str, length: int) -> float | None:
    """A second of a take of about that length; None where there is no text. Raises HTTPException (400)."""
    if not text:
        return None
    try:
        second = float(text)
    except ValueError:
        second = math.nan
    if not 0 <= second <= length + 2:  # videos may be a little longer than they were asked for
        raise HTTPException(400, "That is no second of a take.")
    return second

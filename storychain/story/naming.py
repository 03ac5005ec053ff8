"""What a story may be called: its film, and all that lies beside it, is called after it.

What lives here: limits of names on disks. What may not: opening files.
"""

from __future__ import annotations

from storychain.errors import InvalidStory

ENDINGS = (".yaml", ".yml")
"""Of story files."""

MOST_BYTES = 255 - len(".preview.poster.jpg")
"""Of a story's name: disks take names of 255 bytes, and this is the longest ending that is put behind it."""

_SHORT_BYTES = 100
"""Of a scene's id in the name of a file that is called after two scenes."""

_UNPAID = "Nothing was sent, nothing was spent."


def shortened(scene: str) -> str:
    """As much of a scene's id as there is room for in the name of a file; what else is in that name makes it unique."""
    return scene.encode()[:_SHORT_BYTES].decode(errors="ignore")


def check_name(name: str, where: str) -> None:
    """Raise InvalidStory for a story whose film could not be written, or not be put on record, by this name."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise InvalidStory(
            "its name is not written in UTF-8", where=where, next_step=f"Rename it. {_UNPAID}"
        ) from error
    if size > MOST_BYTES:
        raise InvalidStory(
            f"the story's name has {size} bytes; at most {MOST_BYTES}, so that files can be called after it",
            where=where,
            next_step=f"Give it a shorter name. {_UNPAID}",
        )

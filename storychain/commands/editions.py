"""Which film of a story file is ordered: that of a row of a table, or by another model than the file's.

Written into an order where it is placed, read again by the worker that takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storychain.story import Row, load_row, load_story
from storychain.takes import made_by

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.catalogue import Catalogue
    from storychain.ledger import Order
    from storychain.story.model import Story


def edition_written(story: Story) -> dict[str, Any] | None:
    """What has to be known besides the story's text, for JSON; None where its text says it all."""
    if story.row is None and not story.other_model:
        return None
    row = story.row and {"name": story.row.name, "variables": dict(story.row.variables)}
    return {"file": story.path.stem, "row": row, "model": story.other_model or None}


def ordered_story(order: Order, folder: Path, catalogue: Catalogue) -> Story:
    """The story that an order means, its text put into `folder`. Raises InvalidStory, UsageError or OSError."""
    edition = order.options.get("edition") or {"file": order.story, "row": None, "model": None}
    path = folder / f"{edition['file']}.yaml"
    path.write_text(order.text, "utf-8")
    row = edition["row"]
    story = (
        load_story(path, catalogue)
        if row is None
        else load_row(path, Row(place=f"{path}, row {row['name']}", **row), catalogue)
    )
    return story if edition["model"] is None else made_by(story, edition["model"], catalogue)

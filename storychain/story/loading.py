"""The way of a story file from path to `Story`, step by step: text, nodes, written story, checked story.

What lives here: the order of the steps and the one error at their end. What may not: any of the steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storychain.errors import InvalidStory, UsageError
from storychain.printable import visible
from storychain.story.matrix import NAME
from storychain.story.naming import check_name
from storychain.story.nodes import NOTHING, MapNode, Node, ScalarNode, Unreadable, read_nodes
from storychain.story.parsing import Places, parse
from storychain.story.problems import SHOWN, Problem, Span, did_you_mean, render
from storychain.story.reading import read_file
from storychain.story.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.catalogue import Catalogue
    from storychain.story.matrix import Row
    from storychain.story.model import Story


def load(path: Path, catalogue: Catalogue) -> Story:
    """Return the story at `path`. Raises `InvalidStory` with every problem there is to see."""
    return _read(path, catalogue)[0]


def load_each(
    path: Path, rows: Sequence[Row], where: str, catalogue: Catalogue
) -> tuple[tuple[Story, ...], dict[str, InvalidStory]]:
    """Return a story a row, and by name what is wrong with those that make none; the file is read once.

    Raises `InvalidStory` where the file or every row is at fault, UsageError where a column sets no variable; `where`
    is where the rows come from.
    """
    _, root, text = _read(path, catalogue)  # whatever is wrong with the story itself is told as ever
    written = parse(root, Places(root, []))
    assert written is not None
    _check_columns(written.vars or {}, rows, where)
    stories: list[Story] = []
    unfit: dict[str, InvalidStory] = {}
    for row in rows:
        name = f"{path.stem}-{row.name}"
        try:
            check_name(name, visible(row.place))
            problems: list[Problem] = []
            story = resolve(written, Places(root, problems), text, Path(path).absolute(), catalogue, row)
            if problems:
                raise _invalid(problems, text, path, row.place)
            stories.append(story)
        except InvalidStory as error:
            unfit[name] = error
    if not stories:
        raise InvalidStory("\n\n".join(str(error) for error in [*unfit.values()][:SHOWN]))
    return tuple(stories), unfit


def _read(path: Path, catalogue: Catalogue) -> tuple[Story, MapNode, str]:
    """The story, the nodes it was read from, and the file's text. Raises `InvalidStory`."""
    text = read_file(path)
    check_name(path.stem, visible(str(path)))
    problems: list[Problem] = []
    try:
        root = _mapping(read_nodes(text, problems))
    except Unreadable as unreadable:
        raise _invalid([*problems, unreadable.problem], text, path) from None
    places = Places(root, problems)
    written = parse(root, places)
    story = resolve(written, places, text, Path(path).absolute(), catalogue) if written else None
    if story is None or problems:
        raise _invalid(problems, text, path)
    return story, root, text


def _check_columns(variables: Mapping[str, str], rows: Sequence[Row], where: str) -> None:
    columns = {column for row in rows for column in row.variables if column != NAME}
    for column in sorted(columns - variables.keys()):
        declared = f"its vars are {', '.join(variables)}" if variables else "it has no vars"
        raise UsageError(
            f"the story has no variable '{column}'{did_you_mean(column, variables)}; {declared}",
            where=where,
            next_step="Declare it under vars: in the story, with the text it has where a row leaves it empty.",
        )


def _mapping(root: Node) -> MapNode:
    if isinstance(root, MapNode):
        return root
    if isinstance(root, ScalarNode) and root.kind == "null":
        raise Unreadable(Problem(Span(0, 0), (), NOTHING))
    kind = "text" if isinstance(root, ScalarNode) else "a list"
    raise Unreadable(Problem(root.span, (), f"a story is a mapping with scenes: in it; this is {kind}"))


def _invalid(problems: list[Problem], text: str, path: Path, where: str | None = None) -> InvalidStory:
    count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    return InvalidStory(
        render(problems, text, str(path)),
        where=where,
        next_step=f"{count} in {visible(str(path))}; nothing is sent or spent for it.",
    )

"""What people have decided: which take of a scene is shown, what is approved or rejected, what was said of it.

Nothing is ever overwritten: the last word counts, and those before it stay.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from storychain.records import Chosen, Remark, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from storychain.ledger.backend import Backend, Row, Rows


class Decisions:
    """The choices and remarks of a ledger."""

    def __init__(self, database: Backend, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def choices(self, provider: str, edition: str, words: Mapping[str, str]) -> dict[str, Chosen]:
        """What is chosen for the scenes of a story's edition, by scene; where nobody chose there is nothing.

        `words` are those of the scenes as the story file has them: a choice holds for the words it was made for. Those
        of a scene that is called otherwise by now are found by its words, as long as no other scene has the same.
        """
        query = "SELECT * FROM choices WHERE provider = ? AND edition = ? ORDER BY id"
        own: dict[str, Chosen] = {}
        moved: dict[str, Chosen] = {}
        with self._database.reading() as rows:
            for row in rows.execute(query, [provider, edition]):
                scene, chosen = row["scene"], _chosen(row)
                if chosen.written is None or chosen.written == words.get(scene):
                    own[scene] = chosen
                else:
                    moved[chosen.written] = chosen
                    if scene in own and own[scene].written is None:
                        del own[scene]  # what nobody wrote down for which words ends with the next that is written down
        times = Counter(words.values())
        for scene, written in words.items():
            if scene not in own and written in moved and times[written] == 1:
                own[scene] = moved[written]
        return {scene: chosen for scene, chosen in own.items() if scene in words}

    def choose(self, provider: str, edition: str, choices: Mapping[str, Chosen]) -> None:
        """Choose for several scenes at once: all of it holds, or nothing."""
        now = self._now()

        def choose(rows: Rows) -> None:
            number = _next_number(rows, "choices")
            for place, (scene, chosen) in enumerate(choices.items()):
                values = [number + place, provider, edition, scene, chosen.take, chosen.prompt, chosen.kept, now]
                rows.execute("INSERT INTO choices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [*values, chosen.written])

        self._database.write(choose)

    def remarks(self, provider: str, story: str) -> tuple[Remark, ...]:
        """Everything that was said of a story's takes, oldest first."""
        query = "SELECT * FROM remarks WHERE provider = ? AND story = ? ORDER BY id"
        with self._database.reading() as rows:
            return tuple(_remark(row) for row in rows.execute(query, [provider, story]))

    def pulse(self) -> dict[tuple[str, str], int]:
        """The number of the last choice of each (provider, edition) and of the last remark of each (provider, story).

        An edition that is called like its story has both in one number, which changes with either.
        """
        query = (
            "SELECT provider, name, SUM(last) AS last FROM ("
            "SELECT provider, edition AS name, MAX(id) AS last FROM choices GROUP BY provider, edition UNION ALL "
            "SELECT provider, story AS name, MAX(id) AS last FROM remarks GROUP BY provider, story"
            ") AS said GROUP BY provider, name"
        )
        with self._database.reading() as rows:
            return {(row["provider"], row["name"]): int(row["last"]) for row in rows.execute(query)}

    def verdicts(self, provider: str, story: str) -> dict[str, Verdict]:
        """The last verdict on each take of a story that was given one, by key."""
        said = self.remarks(provider, story)
        return {remark.key: remark.verdict for remark in said if remark.verdict is not None}

    def remark(
        self,
        provider: str,
        story: str,
        scene: str,
        key: str,
        *,
        verdict: Verdict | None = None,
        text: str = "",
        second: float | None = None,
    ) -> None:
        """Say something of a take: a verdict, a comment, or both; `second` is where in it."""
        now = self._now()

        def remark(rows: Rows) -> None:
            values = [_next_number(rows, "remarks"), provider, story, scene, key, verdict, text, second, now]
            rows.execute("INSERT INTO remarks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

        self._database.write(remark)


def _next_number(rows: Rows, table: str) -> int:
    """Nobody else writes meanwhile."""
    return int(rows.execute(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}").fetchone()[0])  # noqa: S608 - one of ours


def _chosen(row: Row) -> Chosen:
    return Chosen(row["take"], row["prompt"], row["kept"], row["written"])


def _remark(row: Row) -> Remark:
    told = row["verdict"], row["text"], row["second"], row["said_at"]
    return Remark(row["id"], row["scene"], row["key"], *told)

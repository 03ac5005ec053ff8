"""What the ledger keeps besides attempts: addresses of uploads, what seams are like, what films were made of."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.ledger.words import FilmRecord, SeamRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from storychain.ledger.backend import Backend, Row, Values


class Made:
    """The part of a ledger that could be made again."""

    def __init__(self, database: Backend, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def uploaded(self, provider: str, sha256: str) -> str | None:
        """The public address of bytes that were uploaded before, if they were."""
        with self._database.reading() as rows:
            query = "SELECT url FROM uploads WHERE provider = ? AND sha256 = ?"
            row = rows.execute(query, [provider, sha256]).fetchone()
        return None if row is None else str(row["url"])

    def remember_upload(self, provider: str, sha256: str, url: str) -> None:
        """Keep the public address of uploaded bytes."""
        self._put(
            "INSERT INTO uploads VALUES (?, ?, ?, ?) ON CONFLICT (provider, sha256) DO UPDATE SET url = excluded.url",
            [provider, sha256, url, self._now()],
        )

    def seam(self, before: str, after: str) -> SeamRecord | None:
        """What was found of the seam between two segments."""
        with self._database.reading() as rows:
            query = "SELECT * FROM seams WHERE before = ? AND after = ?"
            row = rows.execute(query, [before, after]).fetchone()
        if row is None:
            return None
        told = row["kind"], row["frames"], Fraction(row["seconds"]), row["confidence"]
        return SeamRecord(before, after, row["finder"], *told)

    def remember_seam(self, seam: SeamRecord) -> None:
        """Keep what was found of a seam."""
        values = [seam.before, seam.after, seam.finder, seam.kind, seam.frames, str(seam.seconds), seam.confidence]
        query = "INSERT INTO seams VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (before, after) "
        names = ("finder", "kind", "frames", "seconds", "confidence", "found_at")
        self._put(query + _replacing(names), [*values, self._now()])

    def film(self, path: Path) -> FilmRecord | None:
        """The record of the film at `path`."""
        with self._database.reading() as rows:
            row = rows.execute("SELECT * FROM films WHERE path = ?", [str(path)]).fetchone()
        return None if row is None else _film(row)

    def story_of_film(self, path: Path) -> str | None:
        """The name of the story whose film is, or was, at `path`."""
        with self._database.reading() as rows:
            row = rows.execute("SELECT story FROM films WHERE path = ?", [str(path)]).fetchone()
        return None if row is None else str(row["story"])

    def films(self) -> dict[str, list[FilmRecord]]:
        """The records of all films of a story, by its name."""
        with self._database.reading() as rows:
            found = rows.execute("SELECT * FROM films ORDER BY path").fetchall()
        by_story: dict[str, list[FilmRecord]] = {}
        for row in found:
            by_story.setdefault(row["story"], []).append(_film(row))
        return by_story

    def remember_film(self, film: FilmRecord, story: str, sha256: str) -> None:
        """Keep what a film was made of."""
        values = [film.path, story, film.recipe, int(film.free), sha256, film.size, film.seconds, self._now()]
        query = "INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) "
        names = ("story", "recipe", "free", "sha256", "size", "seconds", "made_at")
        self._put(query + _replacing(names), values)

    def _put(self, query: str, values: Values) -> int:
        """One statement as a transaction; how many rows it changed."""
        return self._database.write(lambda rows: rows.execute(query, values).rowcount)


def _film(row: Row) -> FilmRecord:
    return FilmRecord(row["path"], row["recipe"], bool(row["free"]), row["size"], row["seconds"])


def _replacing(columns: Sequence[str]) -> str:
    return "DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in columns)

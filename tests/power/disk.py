"""A disk as it is found after losing power: what a recorded process wrote, replayed up to any moment.

What was synced is there. What was not may be there or not: nothing of it, or any part a seed picks. A name is there
once its folder was synced; names that were not synced may be lost, the latest first, as journals lose them.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<cIQQI")
_SECTOR = 512


@dataclass(frozen=True)
class Act:
    """One record of the log. `kind` is c(reate) w(rite) t(runcate) s(ync) d(ir sync) r(ename) u(nlink) m(kdir) l(ink)
    p(acket sent)."""

    kind: str
    path: str
    inode: int
    place: int
    data: bytes


def read_log(log: Path) -> list[Act]:
    """Every act, in order."""
    return list(_acts(log.read_bytes()))


def _acts(raw: bytes) -> Iterator[Act]:
    place = 0
    while place < len(raw):
        kind, path_length, inode, offset, length = _HEAD.unpack_from(raw, place)
        path_at = place + _HEAD.size
        data_at = path_at + path_length
        place = data_at + length
        yield Act(kind.decode(), raw[path_at:data_at].decode(), inode, offset, raw[data_at:place])


@dataclass
class _File:
    """One file's bytes: as last synced, and what was done to them since."""

    synced: bytes = b""
    since: list[Act] = field(default_factory=list)

    def found(self, luck: random.Random | None) -> bytes:
        """The bytes after the power is back: without luck nothing unsynced, else any sectors of any writes."""
        content = bytearray(self.synced)
        for act in self.since if luck else []:
            if luck.random() < 0.5:
                _apply(content, act, luck)
        return bytes(content)


def _apply(content: bytearray, act: Act, luck: random.Random) -> None:
    if act.kind == "t":
        del content[act.place :]
        content.extend(bytes(act.place - len(content)))
        return
    whole = luck.random() < 0.7
    for begin in range(0, len(act.data), _SECTOR):
        if whole or luck.random() < 0.5:
            piece, at = act.data[begin : begin + _SECTOR], act.place + begin
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(piece)] = piece


class Disk:
    """What lies below `root`, fed with acts in their order."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._files: dict[int, _File] = {}
        self._named: dict[str, int] = {}
        self._folders: set[str] = {self._root}
        self._pending: list[Act] = []

    def feed(self, act: Act) -> None:
        """Take an act in."""
        match act.kind:
            case "c":
                self._files[act.inode] = _File()
                self._pending.append(act)
            case "w" | "t":
                self._files.setdefault(act.inode, _File()).since.append(act)
            case "s":
                self._files[act.inode] = _File(synced=act.data)
            case "r" | "u" | "m" | "l":
                self._pending.append(act)
            case "d":
                self._sync_folder(act.path)

    def _sync_folder(self, folder: str) -> None:
        """Names of a folder are safe now; those of other folders still wait."""
        waiting = []
        for act in self._pending:
            if _parent(act.path) == folder or (act.kind == "r" and _parent(act.data.decode()) == folder):
                self._name(act, self._named, self._folders)
            else:
                waiting.append(act)
        self._pending = waiting

    def _name(self, act: Act, named: dict[str, int], folders: set[str]) -> None:
        match act.kind:
            case "c" | "l":
                named[act.path] = act.inode
            case "m":
                folders.add(act.path)
            case "u":
                named.pop(act.path, None)
                folders.discard(act.path)
            case "r":
                named.pop(act.path, None)
                named[act.data.decode()] = act.inode

    def found(self, seed: int | None = None) -> dict[str, bytes]:
        """Paths (relative to the root) and bytes after the power is back; without a seed the least there can be."""
        luck = None if seed is None else random.Random(seed)
        named, folders = dict(self._named), set(self._folders)
        for act in self._pending[: luck.randrange(len(self._pending) + 1)] if luck else []:
            self._name(act, named, folders)
        return {
            path.removeprefix(self._root + "/"): self._files.get(inode, _File()).found(luck)
            for path, inode in named.items()
            if self._reachable(path, folders) and not path.endswith("-shm")
        }

    def _reachable(self, path: str, folders: set[str]) -> bool:
        above = _parent(path)
        return above == self._root or (above in folders and self._reachable(above, folders))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def lay_out(found: dict[str, bytes], folder: Path) -> None:
    """Write what was found into a folder."""
    for name, content in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

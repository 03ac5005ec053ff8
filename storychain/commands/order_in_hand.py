"""An order in a worker's hands: said to be worked on, and that worker's end to count against it only where it may be
what the worker ended of.

A story waits for most of its time, for its turn and for the provider, and whatever a worker ends of meanwhile it is not
that story. It is in the worker's hands while it is opened, while a segment arrives and while the film is made.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from storychain.chain import events as ev
from storychain.chain.run import off_loop
from storychain.errors import StorychainError
from storychain.plan import Action, with_beside

if TYPE_CHECKING:
    from storychain.chain.events import Event, SceneEvent
    from storychain.ledger import Orders
    from storychain.plan import Step

_SEEN_EVERY = 10.0
_ENDED = ("completed", "stored")


class OrderInHand:
    """What the orders are told of the one that a worker has taken up, by what the chain tells of its story."""

    def __init__(self, orders: Orders, number: int) -> None:
        self._orders = orders
        self._number = number
        self._counts = True  # beginning an order says so
        self._further = False
        self._saying = Lock()
        self._news = asyncio.Event()
        self._waiting: set[tuple[str, int]] = set()
        self._arriving: set[tuple[str, int]] = set()

    @property
    def in_hand(self) -> bool:
        """Whether the story keeps this worker busy: a segment is here to be looked at, or there is none to wait for."""
        return bool(self._arriving) or not self._waiting

    def tell(self, event: Event) -> None:
        """Hear what happened to the story."""
        match event:
            case ev.StoryBegan(steps=steps):
                wanted = with_beside(steps)
                self._waiting = {_name(step) for step in wanted if _is_awaited(step)}
                self._arriving = {_name(step) for step in wanted if step.record.state in _ENDED}
            case ev.Completed():
                self._waiting.discard(_scene(event))
                self._arriving.add(_scene(event))
            case ev.Stored() | ev.Reused():
                self._waiting.discard(_scene(event))
                self._arriving.discard(_scene(event))
                self._further |= isinstance(event, ev.Stored)
            case ev.SceneFailed(again=again):
                self._arriving.discard(_scene(event))
                (self._waiting.add if again else self._waiting.discard)(_scene(event))
            case _:
                return
        if self._further or self._counts != self.in_hand:
            self._news.set()

    async def keep_told(self) -> None:
        """Say now and then that the order is being worked on, and at once where something has changed, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _SEEN_EVERY)
            self._news.clear()
            with suppress(StorychainError):
                await off_loop(self._say)

    def _say(self) -> None:
        with self._saying:
            counts = self.in_hand
            further, self._further = self._further, False
            try:
                self._orders.seen(self._number, more=counts - self._counts, most=int(counts) if further else None)
            except StorychainError:
                self._further = further
                raise
            self._counts = counts

    def leave(self) -> None:
        """Give the order back in good order."""
        with self._saying:
            if self._counts:
                self._orders.seen(self._number, more=-1)
            self._counts = False


def _is_awaited(step: Step) -> bool:
    return step.action in (Action.SUBMIT, Action.RESUME) and step.record.state not in _ENDED


def _name(step: Step) -> tuple[str, int]:
    return step.scene.id, step.scene.take


def _scene(event: SceneEvent) -> tuple[str, int]:
    return event.scene, event.take

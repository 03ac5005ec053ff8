"""Thirty days of cron: overlapping runs with deadlines, reboots, caps, and the autumn's change of clocks."""

import asyncio
import datetime
from zoneinfo import ZoneInfo

from tests.world.schedule import History

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime.date(2026, 10, 5)
DAYS = 30
"""The 25th of October has 25 hours: half past two comes twice."""


class Nights(History):
    """Each night a run at half past two that has to be over by six, and one that overlaps it; now and then a reboot.

    Stories come in over the month. Whatever happens at night, nobody looks before the month is over.
    """

    def __init__(self, world):
        super().__init__(world)
        rng = self.rng
        world.epoch = datetime.datetime(2026, 10, 5, 12, tzinfo=datetime.UTC).timestamp()
        world.weather.clocks = False
        world.weather.deaths = max(world.weather.deaths, 0.3)
        self.day = self.price * rng.randint(1, 2)
        self.month = self.price * rng.randint(3, 9)
        self.run_cap = self.price * rng.randint(1, 3)

    async def unfold(self):
        """All of it."""
        world, rng = self.world, self.rng
        for day in range(DAYS):
            known = world.cast.stories[: 1 + day // 8]
            for begins in _half_past_two(FIRST + datetime.timedelta(days=day + 1)):
                await asyncio.sleep(max(0.0, begins - world.now))
                await self._night(known, deadline=begins + 3.5 * 3600)
            if rng.random() < world.weather.power:
                world.fault("power")
                world.disk.lose_power()
        await self._afterwards()

    async def _night(self, stories, *, deadline):
        rng, running = self.rng, []
        for late in (0.0, rng.uniform(0, 1200)):
            await asyncio.sleep(late)
            process = self._process(stories)
            process.offset, process.deadline = 0.0, deadline
            running.append(process)
            process.start()
        for process in running:
            await process.ended
        self._look_after(running)


def _half_past_two(day):
    """When it is half past two at night, in seconds of the epoch: twice where the clocks are set back."""
    moment = datetime.datetime.combine(day, datetime.time(2, 30), BERLIN)
    return sorted({moment.replace(fold=fold).timestamp() for fold in (0, 1)})

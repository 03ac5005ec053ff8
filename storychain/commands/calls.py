"""Webhooks of a run: where the provider calls, if the settings say so, and who receives it."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storychain.chain.lookout import Lookout
    from storychain.commands.desk import Desk
    from storychain.hooks import Hooks


@asynccontextmanager
async def hooks_of(at: Desk, lookout: Lookout) -> AsyncIterator[Hooks | None]:
    """The hooks of a run, received as long as it lasts; None where no address is set.

    Where nobody can listen, another run most likely does: this one then looks at its jobs as it would without.
    """
    url = at.settings.webhook_url
    if url is None:
        yield None
        return
    from storychain.hooks import Hooks, key_of, receiving  # noqa: PLC0415 - a server is slow to import

    hooks = Hooks(url, key_of(at.workspace.hook_key), lookout.hint)
    received: Hooks | None = hooks
    async with AsyncExitStack() as receiver:
        try:
            await receiver.enter_async_context(receiving(hooks, *at.settings.webhook_listen))
        except UsageError as error:
            print(f"storychain: {error.what}; jobs are looked at without", file=sys.stderr)
            received = None
        yield received

"""Virtual time: a loop that jumps to its next timer, does threads' work in line, and can lose a process at once.

A process is whatever runs in a context where PROCESS names it. When it dies nothing of it runs again: its callbacks
are passed over and its coroutines are closed while every door to the outside is barred to them, which lets go of its
locks as the system would.
"""

import asyncio
import contextlib
import heapq
from contextvars import ContextVar

PROCESS = ContextVar("PROCESS", default=None)

MOST_STEPS = 400_000
"""Callbacks of one schedule; beyond them something goes round in circles."""


class Stalled(Exception):
    """Nothing will ever happen again although somebody waits, or things happen without end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Selects on nothing: time passes only when all that could be done has been done."""

    def __init__(self):
        super().__init__()
        self.clock = 0.0
        self.steps = 0
        self.dying = []
        self.complaints = []
        self.set_task_factory(_task_of_its_process)
        self.set_exception_handler(self._complain)

    def time(self):
        return self.clock

    def _complain(self, loop, context):
        process = PROCESS.get()
        if process is None or not process.dead:
            self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _asyncgen_finalizer_hook(self, generator):
        """Finish what a living process drops; a dead one's generators end with it."""
        process = PROCESS.get()
        if process is not None and not process.dead:
            super()._asyncgen_finalizer_hook(generator)

    def _write_to_self(self):
        """Nobody sleeps, so nobody has to be woken."""

    def _run_once(self):
        if not self._ready:
            self._pass_time()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            process = handle._context.get(PROCESS)
            if handle._cancelled or (process is not None and process.dead):
                continue
            self.steps += 1
            handle._run()
            while self.dying:
                self.dying.pop().bury()
        if self.steps > MOST_STEPS:
            raise Stalled("it goes on and on")

    def _pass_time(self):
        while self._scheduled:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            process = handle._context.get(PROCESS)
            if not handle._cancelled and (process is None or not process.dead):
                self.clock = max(self.clock, handle._when)
                self._ready.append(handle)
                return
        raise Stalled("everybody waits for ever")

    def _write_to_self(self):
        """Nobody waits for anything outside, so nobody is to be woken."""

    def run_in_executor(self, executor, func, *args):
        """Do a thread's work in line, a moment later; its process may die before or after it."""
        process, future = PROCESS.get(), self.create_future()
        if process is None:
            future.set_result(func(*args))
        elif process.act(process.name_of(func)):
            self.call_later(process.moment(), self._work, process, future, func)
        return future

    def _work(self, process, future, func):
        outcome, error = None, None
        try:
            outcome = process.carry_out(func)
        except Exception as trouble:  # noqa: BLE001 - a thread hands on whatever happens
            error = trouble
        if not process.act("… done"):
            return
        if future.cancelled():
            return
        if error is None:
            future.set_result(outcome)
        else:
            future.set_exception(error)


def _task_of_its_process(loop, coroutine, **options):
    task = asyncio.Task(coroutine, loop=loop, **options)
    context = options.get("context")
    process = context.get(PROCESS) if context is not None else PROCESS.get()
    if process is not None:
        process.tasks.append(task)
    return task


def close_for_good(task):
    """Close a dead task's coroutine, however often it tries to wait on its way out."""
    task._log_destroy_pending = False
    coroutine = task.get_coro()
    for _ in range(50):
        try:
            coroutine.close()
        except RuntimeError:  # it waited on its way out: closed again, it is thrown out there
            continue
        except BaseException:  # noqa: BLE001 - a dead process's last words reach nobody
            return
        return


@contextlib.contextmanager
def virtual_loop():
    """A loop of virtual time, current meanwhile."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()

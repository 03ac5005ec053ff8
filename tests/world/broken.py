"""Programs with one mistake each: the world must catch them, or it could not be believed."""

from storychain.ledger import Ledger
from storychain.provider import AnswerLost, TurnedAway
from tests.world.process import PACE, Program


class RepeatsRequests(Program):
    """Sends a paid request again when its answer is lost, as clients do that retry everything."""

    def provider(self, provider):
        return _Repeating(provider)


class _Repeating:
    def __init__(self, provider):
        self._provider = provider

    def __getattr__(self, name):
        return getattr(self._provider, name)

    async def submit(self, request):
        outcome = await self._provider.submit(request)
        return await self._provider.submit(request) if isinstance(outcome, AnswerLost) else outcome


class BelievesBadAnswers(Program):
    """Takes a lost answer for a refusal."""

    def provider(self, provider):
        return _Believing(provider)


class _Believing(_Repeating):
    async def submit(self, request):
        outcome = await self._provider.submit(request)
        return TurnedAway(outcome.reason) if isinstance(outcome, AnswerLost) else outcome


class ForgetsIntentions(Program):
    """Its ledger calls every open question a refusal when it is opened."""

    def ledger(self, path, now):
        ledger = Ledger(path, now)
        with ledger._database.transaction() as rows:
            rows.execute("UPDATE attempts SET state = 'refused' WHERE state = 'intended'")
        return ledger


class NeverSyncs(Program):
    """Its ledger leaves syncing to the system."""

    def ledger(self, path, now):
        ledger = Ledger(path, now)
        ledger._database._connection.execute("PRAGMA synchronous = OFF")
        return ledger


class Hasty(Program):
    """Gives a lost answer no time to show."""

    pace = type(PACE)(poll=PACE.poll, job_timeout=PACE.job_timeout, settle=0.0, silence=0.0)


class CountsNothing(Program):
    """Its ledger admits whatever is asked, whatever was spent."""

    def ledger(self, path, now):
        return _Generous(path, now)


class _Generous(Ledger):
    def admit(self, purchase, caps, jobs_at_once):
        return super().admit(purchase, type(caps)(), jobs_at_once)

    def spent(self, provider, *, story, run=None):
        return super().spent(provider, story=story, run=run) * 0


BROKEN = (RepeatsRequests, BelievesBadAnswers, ForgetsIntentions, NeverSyncs, Hasty, CountsNothing)

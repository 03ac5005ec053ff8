"""Stories offered to workers on several machines: the one door to pgqueuer and to Temporal.

Either delivers "render this order" at least once, and knows nothing of money: who may pay is the ledger's business.
"""

from storychain.workers.engine import Engine

__all__ = ["Engine"]

"""Stories offered to workers on several machines: the one door to pgqueuer.

It delivers "render this order" at least once, and knows nothing of money: who may pay is the ledger's business.
"""

from storychain.workers.engine import offer, serve

__all__ = ["offer", "serve"]

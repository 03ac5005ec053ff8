"""The ledger, the one door to SQL: `database` and `postgres` (the tables), `together` (many writes as one), `caps`
(admission), `mark` (how far it had come), `claims` (who may write), `books` (what was spent), `decisions` (what people
chose and said), `ledger` (what is recorded).
"""

from storychain.ledger.books import By, Entry
from storychain.ledger.caps import Caps
from storychain.ledger.claims import LEASE, Claim, Claims, regardless, relying_on
from storychain.ledger.connecting import queue_connection
from storychain.ledger.decisions import Decisions
from storychain.ledger.ledger import Ledger
from storychain.ledger.mark import mark_beside
from storychain.ledger.orders import MOST_BEGUN, Order, Orders, OrderState
from storychain.ledger.together import Outcome, together
from storychain.ledger.words import FINDER, Admitted, FilmRecord, Full, Purchase, SeamRecord

__all__ = [
    "FINDER",
    "LEASE",
    "MOST_BEGUN",
    "Admitted",
    "By",
    "Caps",
    "Claim",
    "Claims",
    "Decisions",
    "Entry",
    "FilmRecord",
    "Full",
    "Ledger",
    "Order",
    "OrderState",
    "Orders",
    "Outcome",
    "Purchase",
    "SeamRecord",
    "mark_beside",
    "queue_connection",
    "regardless",
    "relying_on",
    "together",
]

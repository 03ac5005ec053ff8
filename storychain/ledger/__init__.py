"""The ledger, the one door to SQL: `database` (file and schema), `caps` (admission), `mark` (how far it had
come), `books` (what was spent), `ledger` (what is recorded).
"""

from storychain.ledger.books import By, Entry
from storychain.ledger.caps import Caps
from storychain.ledger.ledger import Ledger
from storychain.ledger.words import FINDER, Admitted, FilmRecord, Full, Purchase, SeamRecord

__all__ = ["FINDER", "Admitted", "By", "Caps", "Entry", "FilmRecord", "Full", "Ledger", "Purchase", "SeamRecord"]

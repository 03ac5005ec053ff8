"""The ledger, the one door to SQL: `database` (file and schema), `caps` (admission), `ledger` (what is recorded)."""

from storychain.ledger.caps import Caps
from storychain.ledger.ledger import Admitted, FilmRecord, Full, Ledger, Purchase

__all__ = ["Admitted", "Caps", "FilmRecord", "Full", "Ledger", "Purchase"]

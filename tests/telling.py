"""Which cases of a long list are tested each time: those that tell most. The rest are run by `make test-rest`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

REST = (pytest.mark.slow, pytest.mark.rest)
"""Marks of a case that tells less than those among the quick tests."""


def telling(cases: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """All cases as parameters, those that are not in `quick` marked as the rest."""
    return [case if case in quick else pytest.param(*_values(case), marks=REST) for case in cases]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)

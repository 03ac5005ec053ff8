"""Which cases of a long list are tested each time: those that tell most; the rest are among the long tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def telling(cases: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """All cases as parameters, those that are not in `quick` marked as slow."""
    return [case if case in quick else pytest.param(*_values(case), marks=pytest.mark.slow) for case in cases]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)

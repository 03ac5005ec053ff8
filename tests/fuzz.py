"""How many examples the fuzzing tests try: few in the quick tests, in a soak STORYCHAIN_FUZZ in all, shared evenly.

A soak draws new ones each time; a failing one is kept and tried first by the next run.
"""

import os

from hypothesis import HealthCheck, settings

KINDS = 13
"""Tests that share them."""

ASKED = -(-int(os.environ["STORYCHAIN_FUZZ"]) // KINDS) if "STORYCHAIN_FUZZ" in os.environ else None
TRIED = settings(
    max_examples=ASKED or 80,
    deadline=None,
    derandomize=ASKED is None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
SPOKEN = settings(TRIED, max_examples=ASKED or 12)
"""The same where each example is spoken over a socket."""

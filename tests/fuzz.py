"""How many examples the fuzzing tests try: few in the quick tests, as many as STORYCHAIN_FUZZ says in a soak.

A soak draws new ones each time; a failing one is kept and tried first by the next run.
"""

import os

from hypothesis import HealthCheck, settings

ASKED = os.environ.get("STORYCHAIN_FUZZ")
TRIED = settings(
    max_examples=int(ASKED or 80),
    deadline=None,
    derandomize=ASKED is None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
SPOKEN = settings(TRIED, max_examples=int(ASKED or 12))
"""The same where each example is spoken over a socket."""

"""For all tests. The fixtures `alert_store` and `frozen_clock` come from alertstore's own pytest plugin."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples every time, so that what is covered, and whether it passes, does not change between two runs of one commit.
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("ci"), max_examples=1_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

"""Returns and webhook events, for implementation managers: what is stuck, why, and the acts that mend most of it.

A module a noun: `tiktok_returns.py` the list and the page of a return, `match_panel.py` and `timeline.py` what the page
shows, `advice.py` who can cure what; `act_views.py` and `bulk_views.py` the acts on one and on many, `search.py` and
`export.py` the list's search and CSV; `rebound_returns.py`, `webhook_events.py`, `step_attempts.py` and
`return_polls.py` the rows around it. Nothing here decides or works: pages translate into one call of the domain.
"""

from returns.admin import (
    alerts,
    bulk_views,
    rebound_returns,
    return_polls,
    step_attempts,
    tiktok_returns,
    webhook_events,
)

__all__ = [
    "alerts",
    "bulk_views",
    "rebound_returns",
    "return_polls",
    "step_attempts",
    "tiktok_returns",
    "webhook_events",
]

"""Every figure that `/metrics` gives: its name, kind, labels and what it says.

Two sorts. TALLIED ones are counted by the processes (`tallies.py`) and never go down; READ ones are looked up in the
tables when somebody asks (`gauges.py`). The alert rules and the dashboard beside this file name nothing else.
"""

from dataclasses import dataclass

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0)
# From a label in a blink to one that waited a day for its order.
LABEL_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class Figure:
    name: str  # without the prefix, and for a counter without "_total"
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # a histogram has some

    @property
    def full_name(self) -> str:
        return f"rebound_tts_{self.name}"


TALLIED = {
    figure.name: figure
    for figure in (
        Figure(
            "webhooks", "Webhooks by what was answered: new, duplicate, bad_signature, refused.", ("source", "result")
        ),
        Figure("events", "Stored notifications by what came of them.", ("source", "outcome")),
        Figure(
            "returns_rested", "Returns that came to rest, each time that state or reason changed.", ("status", "reason")
        ),
        Figure("matches", "Decisions on returns, each time another was made.", ("outcome", "reason")),
        Figure(
            "rebound_returns", "Returns created at ReBound; a direct one names its reason.", ("kind", "direct_reason")
        ),
        Figure("late_links", "Direct returns that were linked once their order arrived.", ("result",)),
        Figure("label_seconds", "Seconds from the webhook that asked for a label to the label.", (), LABEL_SECONDS),
        Figure("remote_calls", "Calls to TikTok Shop and ReBound.", ("vendor", "method", "path", "status")),
        Figure("remote_call_seconds", "Seconds that such a call took.", ("vendor",), SECONDS),
        Figure(
            "order_pushes", "Orders pushed to the order API: created, changed, unchanged, stale, rejected.", ("result",)
        ),
        Figure("throttled", "Requests refused since too many came from one address.", ("endpoint",)),
        Figure("deleted", "Rows that retention deleted or emptied.", ("what",)),
    )
}

READ = {
    figure.name: figure
    for figure in (
        Figure("returns_unfinished", "Returns that are open, waiting or with a person, now.", ("status", "reason")),
        Figure("waiting_oldest_seconds", "How long the return that waits longest has waited, by reason.", ("reason",)),
        Figure("events_waiting", "Stored notifications that are not handled yet."),
        Figure("events_oldest_seconds", "Age of the oldest of them."),
        Figure("returns_due", "Returns that want work now and are not at it."),
        Figure("returns_due_oldest_seconds", "How long the one that is due longest has been."),
        Figure(
            "errands_waiting",
            "Orders that are to be relayed to ReBound, or whose references are to be written to TikTok, up to 10000.",
            ("errand",),
        ),
        Figure("errands_oldest_seconds", "How long the one of them that was queued first has waited.", ("errand",)),
        Figure("errands_for_people", "Those that were refused, or met something else there.", ("errand", "state")),
        Figure("queue_jobs", "Wake-ups in the queue. -1: the queue does not answer."),
        Figure("dead", "Work that ended in an error of ours: jobs, returns.", ("what",)),
        Figure(
            "token_days_left", "Days until an authorization at TikTok ends: the ten that end first.", ("authorization",)
        ),
        Figure("connections_broken", "Connections that only a person can mend.", ("vendor", "reason")),
        Figure("worker_heartbeat_age_seconds", "Seconds since a supervisor of workers was last heard.", ("worker",)),
        Figure("workers", "Supervisors of workers heard in the last minute."),
    )
}

"""How long nothing moved while work was due."""

import time
from typing import Any


class Standstill:
    def __init__(self, *, now: float | None = None) -> None:
        self.longest = 0.0  # seconds
        self._progress: Any = None
        self._since = time.monotonic() if now is None else now

    def look(self, *, due: int, progress: Any, now: float | None = None) -> None:
        """`progress`: anything that is another value once work went on. `now`: monotonic seconds."""
        now = time.monotonic() if now is None else now
        if progress != self._progress or not due:
            self._progress, self._since = progress, now
        self.longest = max(self.longest, now - self._since)

"""How long and how hard the benchmarks run. Read from the environment, so that `make bench` takes them too."""

import os
from dataclasses import dataclass

QUICK_SECONDS = 0.5


@dataclass(frozen=True)
class Options:
    """QUICK=1 checks that the benchmarks work, in under a minute; its figures say little."""

    quick: bool
    seconds: float  # SECONDS, the length of one round
    rounds: int  # ROUNDS, of which the median counts
    connections: tuple[int, ...]  # CONNECTIONS, as in 16,100
    burst: int  # webhooks sent at once while workers run
    offered: int  # returns of one round at five a second
    returns: int  # returns of one round at full speed


def options() -> Options:
    quick = os.environ.get("QUICK", "") not in {"", "0"}
    connections = os.environ.get("CONNECTIONS", "16" if quick else "16,100")
    return Options(
        quick=quick,
        seconds=float(os.environ.get("SECONDS", QUICK_SECONDS if quick else 3)),
        rounds=int(os.environ.get("ROUNDS", 1 if quick else 3)),
        connections=tuple(int(each) for each in connections.split(",")),
        burst=200 if quick else 10_000,
        offered=8 if quick else 75,
        returns=16 if quick else 150,
    )

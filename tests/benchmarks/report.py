"""Tables of what was measured, and the targets of performance beside the figures.

Absolute figures drift with the machine and with what else it does; ratios of one run are what to quote.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One line of the targets: at least, or at most, so much."""

    name: str
    measured: float
    least: float | None = None
    most: float | None = None
    unit: str = ""

    @property
    def is_met(self) -> bool:
        if self.measured != self.measured:  # not a number: nothing was measured
            return False
        return (self.least is None or self.measured >= self.least) and (self.most is None or self.measured <= self.most)

    def cells(self) -> tuple[str, ...]:
        wanted = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        return self.name, figure(self.measured), f"{wanted} {self.unit}".strip(), "met" if self.is_met else "NOT MET"


def figure(value: float) -> str:
    """With as many digits as mean something."""
    if value != value:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def show(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[number]) for row in [columns, *rows]) for number in range(len(columns))]

    def line(row: tuple[str, ...]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "  ".join(cells).rstrip()

    print(f"\n{title}\n\n{line(columns)}\n{line(tuple('-' * width for width in widths))}", flush=True)
    for row in rows:
        print(line(row), flush=True)


def show_targets(targets: list[Target], *, quick: bool) -> None:
    title = "Targets" + (" (QUICK: shown to prove that the benchmark works; too short to judge by)" if quick else "")
    show(title, ("target", "measured", "wanted", ""), [target.cells() for target in targets])


def machine() -> str:
    """What else the machine was doing, since figures mean little without it."""
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"

"""What came of each return, from our tables and from the sandbox's record, held against what the story expects."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matching.models import Match
from rebound_tts.demo.sandbox_control import SandboxControl
from rebound_tts.demo.story import Expected
from returns.models import TikTokReturn, WebhookEvent

COLUMNS = ("return", "shop", "outcome", "reason", "linked", "ReBound return", "tracking number", "seconds", "story")


@dataclass(frozen=True)
class Verdict:
    """One return: what happened, and every difference from the story."""

    expected: Expected
    row: TikTokReturn | None
    match: Match | None
    seconds: float | None
    differences: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return not self.differences

    @property
    def is_delivered(self) -> bool:
        return self.row is not None and self.row.label_delivered_at is not None

    def cells(self) -> tuple[str, ...]:
        row, match = self.row, self.match
        rebound_return = row.rebound_return if row else None
        label = getattr(rebound_return, "label", None)
        return (
            self.expected.return_id,
            self.expected.player.shop.name,
            (match.outcome if match else "-") if row is None or row.status == "DONE" else row.status,
            (match.reason if match else "") or (row.reason if row else "") or "-",
            rebound_return.get_kind_display().lower() if rebound_return else "-",
            rebound_return.rebound_id if rebound_return else "-",
            label.tracking_number if label else "-",
            f"{self.seconds:.2f}" if self.seconds is not None else "-",
            self.expected.title,
        )


def judge(expected: Expected, *, sandbox: SandboxControl, return_orders: dict[str, list[dict[str, Any]]]) -> Verdict:
    """`return_orders`: what ReBound holds, by our reference."""
    row = (
        TikTokReturn.objects.select_related("rebound_return__label", "shop")
        .filter(shop=expected.player.shop, return_id=expected.return_id)
        .first()
    )
    match = Match.objects.filter(shop=expected.player.shop, return_id=expected.return_id).order_by("-pk").first()
    different = list(_differences(expected, row=row, match=match))
    if not different:
        different = list(_in_the_world(expected, row=row, sandbox=sandbox, return_orders=return_orders))
    return Verdict(expected, row, match, _seconds(row), tuple(different))


def _differences(expected: Expected, *, row: TikTokReturn | None, match: Match | None) -> Any:
    if row is None:
        yield "no webhook of it was handled"
        return
    found = {
        "status": row.status,
        "outcome": match.outcome if match else "",
        "reason": (match.reason if match else "") or row.reason,
        "kind": row.rebound_return.kind if row.rebound_return else "",
    }
    if expected.milestone and row.rebound_return:
        last = row.rebound_return.milestones.order_by("-pk").first()
        found["milestone"] = last.milestone if last else ""
    for name, value in found.items():
        if value != getattr(expected, name):
            yield f"{name} is {value or 'none'}, not {getattr(expected, name) or 'none'}"


def _in_the_world(
    expected: Expected,
    *,
    row: TikTokReturn | None,
    sandbox: SandboxControl,
    return_orders: dict[str, list[dict[str, Any]]],
) -> Any:
    """What the buyer and ReBound see, whatever our tables say."""
    seen = sandbox.label_of(expected.return_id)
    if (seen[0].split(";")[0] if seen else "") != expected.label:
        yield f"the buyer sees {seen[0] if seen else 'no label'}"
    if not expected.kind or row is None or row.rebound_return is None:
        return
    held = return_orders.get(row.rebound_return.reference, [])
    if [order["status"] for order in held] != [expected.rebound_status]:
        yield f"ReBound holds {[order['status'] for order in held]}"
        return
    linked = sum(item["quantity"] for item in held[0]["items"] if item.get("salesItemId"))
    if linked != expected.units:
        yield f"ReBound links {linked} units, not {expected.units}"
    if expected.shares_label_with:
        other = sandbox.label_of(expected.shares_label_with)
        if other != seen:
            yield "the parcel has two labels"


def _seconds(row: TikTokReturn | None) -> float | None:
    """From the first webhook of the return to the label in the buyer's app."""
    if row is None or row.label_delivered_at is None:
        return None
    first = WebhookEvent.objects.filter(tiktok_return=row).order_by("received_at").first()
    started: datetime = first.received_at if first else row.created_at
    return (row.label_delivered_at - started).total_seconds()


def table(verdicts: list[Verdict]) -> str:
    rows = [COLUMNS, *(verdict.cells() for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    for number, verdict in enumerate(verdicts):
        for difference in verdict.differences:
            lines.append(f"DIFFERS  {verdicts[number].expected.title} ({verdict.expected.return_id}): {difference}")
    return "\n".join(lines)

"""Dry run: what would become of a return if it were worked on now, and what of that differs from what was done.

Asks TikTok and ReBound what a run would ask, decides as a run would, and ends there: no decision is stored, no step is
recorded, nothing is created, linked, cancelled or uploaded. It may be asked at any time, whoever is at the return.
"""

from copy import copy
from dataclasses import dataclass
from datetime import datetime

from matching.decision import Decision
from matching.matcher import ReturnedLine
from matching.models import Match, SalesOrder, SalesOrderItem
from matching.services import ReturnToMatch, decide_return, matched_items, replaces_nothing
from merchants.models import Shop
from rebound_tts.clients.errors import RemoteError
from rebound_tts.clients.tiktok_returns import RemoteReturn
from returns.journey import BlockedError, Journey
from returns.models import Kind, ReboundReturn, Status, Step, TikTokReturn
from returns.pipeline import LabelNeed, Rest, next_step
from returns.steps.create import Plan, plan_for
from returns.steps.fetch import check_remote, facts_of, search

AFTER = {Step.CREATE: (Step.CREATE, Step.DELIVER), Step.COLLECT: (Step.COLLECT, Step.DELIVER)}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that would be otherwise. `what`: return_status, outcome, reason, order, item <line id>, kind,
    direct_reason, or lane. Both sides are text for people, "" where there is nothing."""

    what: str
    stored: str
    found: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """The answer. `problem` says what kept it from being whole: then what is below it may be missing.

    `steps` would be carried out next, none where the return rests; `rest` is where that would leave it. `decision` is
    None where nothing is matched (no label is needed, or its link was settled). `kind`, `order` and `lane` are what the
    ReBound return would be: whether linked, to which external order id, by which country and carrier service.
    """

    asked_at: datetime
    problem: str = ""
    need: LabelNeed | None = None
    decision: Decision | None = None
    steps: tuple[Step, ...] = ()
    rest: Rest | None = None
    kind: str = ""
    direct_reason: str = ""
    order: str = ""
    lane: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        return not (self.problem or self.steps or self.differences)


class Rehearsal(Journey):
    """A journey over copies of rows. What it is given stands in for what a fetch and a match would have stored."""

    at: datetime
    unanswered = False  # a look-up failed, and the match that is there stands

    @property
    def now(self) -> datetime:
        return self.at


def dry_run(*, tiktok_return: TikTokReturn, now: datetime) -> DryRun:
    """What a run of this return would do now. Stores nothing; an order read on the way is kept, as by any look-up.

    Never raises what a remote system does: `problem` says it.
    """
    stored = _stored(tiktok_return)
    try:
        return _rehearse(stored, now=now)
    except (RemoteError, BlockedError) as error:
        return DryRun(asked_at=now, problem=str(error))


def _stored(tiktok_return: TikTokReturn) -> TikTokReturn:
    rows = TikTokReturn.objects.select_related(
        "shop__merchant", "shop__authorization", "shop__rebound_account", "rebound_return__account"
    )
    found: TikTokReturn = rows.select_related("rebound_return__label", "rebound_return__sales_order").get(
        pk=tiktok_return.pk
    )
    return found


def _rehearse(stored: TikTokReturn, *, now: datetime) -> DryRun:
    journey = Rehearsal(copy(stored))
    journey.at = now
    if stored.rebound_return is not None and stored.rebound_return.late_look_at:
        journey.tiktok_return.rebound_return = copy(stored.rebound_return)
        journey.tiktok_return.rebound_return.late_look_at = now  # a run by hand would look at once
    remote = search(journey)
    if stored.return_id not in remote:
        return DryRun(asked_at=now, problem="TikTok does not list the return.")
    for found in remote.values():
        check_remote(found)
    lines = _see(journey, remote=remote)
    decisions = _decide(journey, lines=lines, now=now)
    facts = journey.facts()
    step = next_step(facts)
    steps = () if isinstance(step, Rest) else AFTER.get(step, (step,))
    plan, problem = None, "A look-up got no answer; the match stays as it is." if journey.unanswered else ""
    if journey.concerned():
        try:
            plan = plan_for(journey)
        except BlockedError as error:
            problem = str(error)
    decision = decisions.get(stored.return_id)
    return DryRun(
        asked_at=now,
        problem=problem,
        need=facts.label,
        decision=decision,
        steps=steps,
        rest=step if isinstance(step, Rest) else _rest_after(step),
        kind=plan.kind if plan else "",
        direct_reason=plan.direct_reason if plan else "",
        order=plan.sales_order.external_order_id if plan and plan.sales_order else "",
        lane=_lane(plan.country, plan.service) if plan else "",
        differences=tuple(_differences(stored, seen=journey.tiktok_return, decision=decision, plan=plan)),
    )


def _see(journey: Rehearsal, *, remote: dict[str, RemoteReturn]) -> dict[str, tuple[ReturnedLine, ...]]:
    """Let the copies of the parcel's rows say what TikTok says now. Answers the lines of each, by return id."""
    lines: dict[str, tuple[ReturnedLine, ...]] = {}
    own = journey.tiktok_return
    for name, value in facts_of(remote[own.return_id]).items():
        setattr(own, name, value)
    for member in journey.parcel:
        found = remote.get(member.return_id)
        if found is None:
            lines[member.return_id] = tuple(
                ReturnedLine(item.return_line_item_id, item.order_line_item_id, item.seller_sku)
                for item in member.items.all()
            )
            continue
        for name, value in facts_of(found).items():
            setattr(member, name, value)
        member.fetched_at, member.fetched_hint_count = journey.now, member.hint_count
        lines[member.return_id] = tuple(
            ReturnedLine(line.return_line_item_id, line.order_line_item_id, line.seller_sku) for line in found.lines
        )
    return lines


def _decide(journey: Rehearsal, *, lines: dict[str, tuple[ReturnedLine, ...]], now: datetime) -> dict[str, Decision]:
    """The decision on each return that a run would match, which then stands for the stored one in the journey."""
    shop = journey.shop
    matches = dict(journey.matches)
    decisions: dict[str, Decision] = {}
    for member in journey.concerned():
        journey.decided_in_this_round.add(member.return_id)
        held = matches.get(member.return_id)
        if held is not None and held.is_by_hand:
            continue  # a person's decision stands
        subject = ReturnToMatch(member.return_id, member.order_id, lines[member.return_id])
        rebound = journey.rebound if shop.rebound_account else None
        decision = decide_return(shop=shop, subject=subject, tiktok=journey.tiktok, rebound=rebound, now=now)
        is_late = journey.tiktok_return.rebound_return is not None
        if held is not None and replaces_nothing(decision, current=held, only_answers=is_late):
            journey.unanswered = True
            continue
        decisions[member.return_id] = decision
        matches[member.return_id] = unsaved_match(shop, return_id=member.return_id, decision=decision, now=now)
    journey.__dict__["matches"] = matches
    journey.looked_late = True
    return decisions


def unsaved_match(shop: Shop, *, return_id: str, decision: Decision, now: datetime) -> Match:
    """The match that a run would store, not stored."""
    return Match(
        merchant=shop.merchant,
        shop=shop,
        return_id=return_id,
        outcome=decision.outcome,
        reason=decision.reason or "",
        is_curable=decision.is_curable,
        external_order_id=decision.external_order_id[:255],
        sales_order=_order_of(decision),
        decided_at=now,
    )


def _order_of(decision: Decision) -> SalesOrder | None:
    return SalesOrder.objects.get(pk=decision.order_key) if decision.order_key else None


def _rest_after(step: Step) -> Rest:
    return Rest(Status.CANCELLED if step is Step.CANCEL else Status.DONE)


def _lane(country: str, service: str) -> str:
    return f"{country or 'unknown country'}, {service or 'no service'}"


def _differences(
    stored: TikTokReturn, *, seen: TikTokReturn, decision: Decision | None, plan: Plan | None
) -> list[Difference]:
    pairs = [("return_status", stored.return_status, seen.return_status)]
    if decision is not None:
        pairs += _of_the_match(stored, decision=decision)
    if plan is not None and stored.rebound_return is not None:
        pairs += _of_the_rebound_return(stored.rebound_return, plan=plan)
    return [Difference(what, before, now) for what, before, now in pairs if before != now]


def _of_the_match(stored: TikTokReturn, *, decision: Decision) -> list[tuple[str, str, str]]:
    match = (
        Match.objects.for_merchant(stored.merchant)
        .current()
        .filter(shop=stored.shop, return_id=stored.return_id)
        .select_related("sales_order")
        .first()
    )
    before = {line: str(item) for line, item in matched_items([match]).items()} if match else {}
    keys = [line.item_key for line in decision.lines if line.item_key]
    items = {str(item.pk): str(item) for item in SalesOrderItem.objects.filter(pk__in=keys)}
    after = {line.return_line_item_id: items.get(line.item_key or "", "") for line in decision.lines}
    order = _order_of(decision)
    return [
        ("outcome", match.outcome if match else "", decision.outcome.value),
        ("reason", match.reason if match else "", decision.reason.value if decision.reason else ""),
        (
            "order",
            match.sales_order.external_order_id if match and match.sales_order else "",
            order.external_order_id if order else "",
        ),
        *((f"item {line}", before.get(line, ""), after.get(line, "")) for line in sorted(before.keys() | after.keys())),
    ]


def _of_the_rebound_return(held: ReboundReturn, *, plan: Plan) -> list[tuple[str, str, str]]:
    reason = "" if held.kind == Kind.LINKED else held.direct_reason
    return [
        ("kind", held.kind, plan.kind.value),
        ("direct_reason", reason, plan.direct_reason),
        ("lane", _lane(held.country, held.carrier_service), _lane(plan.country, plan.service)),
    ]

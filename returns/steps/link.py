"""Link: a return that was created direct, to the sales order that it was matched to afterwards. Its label stays.

ReBound is asked first what it holds: after a timeout or a crash the link may be there, and is adopted. Where ReBound
does not offer to link afterwards, or refuses, the link is kept here and the return says so.
"""

from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q

from matching.models import Match, SalesOrder
from matching.services import matched_items
from rebound_tts.clients.errors import PermanentError, UnexpectedAnswerError
from rebound_tts.clients.rebound_answers import ReboundReturnOrder
from rebound_tts.ops.tallies import count
from returns.journey import BlockedError, Journey
from returns.models import Kind, Reason, ReboundReturn
from returns.steps.collect import note_cancelled_there

LINKING_LEASE = timedelta(seconds=60)  # longer than the calls take; until then only one return of the parcel links
LINES = "tiktokLineIds"  # what a creation wrote on each item, and ReBound gives back


def link(journey: Journey) -> str:
    rebound_return = journey.tiktok_return.rebound_return
    order, _ = journey.order_to_link()
    if rebound_return is None or order is None:
        raise BlockedError(Reason.SIBLING_AWAITED, "There is nothing to link any more.", passing=True)
    _lead(journey, rebound_return=rebound_return)
    matches = [match for match in journey.matches.values() if match.sales_order_id == order.pk]
    held = _held(journey, rebound_return=rebound_return)
    if held is None:
        note = "ReBound does not list the return."
        return _keep(journey, rebound_return, order=order, matches=matches, held=None, note=note)
    if held.status == "CANCELLED":
        note_cancelled_there(rebound_return, now=journey.now)
        return "Cancelled at ReBound"
    items = _items(journey, held=held, matches=matches)
    note = ""
    if not _is_there(held, order=order, items=items):
        try:
            held = journey.rebound.link_return_order(held.id, sales_order_id=order.rebound_id, items=items)
        except UnexpectedAnswerError:
            raise  # it may be there: the next try looks
        except PermanentError as error:
            held = _held(journey, rebound_return=rebound_return) or held
            note = "" if _is_there(held, order=order, items=items) else str(error)
    said = _keep(journey, rebound_return, order=order, matches=matches, held=held, note=note)
    count("late_links", result="here_only" if note else "linked")
    return said


def _lead(journey: Journey, *, rebound_return: ReboundReturn) -> None:
    """One return of the parcel links. Raises BlockedError while another is at it."""
    row, now = journey.tiktok_return, journey.now
    free = Q(led_by=row) | Q(creating_until__isnull=True) | Q(creating_until__lt=now)
    mine = ReboundReturn.objects.filter(free, pk=rebound_return.pk).update(
        led_by=row, creating_until=now + LINKING_LEASE
    )
    if not mine:
        raise BlockedError(Reason.SIBLING_AWAITED, passing=True)


def _held(journey: Journey, *, rebound_return: ReboundReturn) -> ReboundReturnOrder | None:
    """The return as ReBound holds it now. Its filter may be loose: the id is compared here."""
    found = journey.rebound.find_return_orders(rma_number=rebound_return.reference)
    return next((order for order in found if order.id == rebound_return.rebound_id), None)


def _items(journey: Journey, *, held: ReboundReturnOrder, matches: list[Match]) -> list[tuple[str, str]]:
    """ReBound's item of each line that matched, with the sales item that it is one unit of.

    An item is known by the line that its creation wrote on it. One that does not say is linked only where there is one
    item and one line; on doubt it stays an additional item.
    """
    sales_items = matched_items(matches)
    wanted = {}
    lines = [line for member in journey.concerned() for line in journey.items_of(member)]
    for line in lines:
        item = sales_items.get(line.return_line_item_id)
        if item is not None and item.rebound_id:
            wanted[line.order_line_item_id] = item.rebound_id
    if len(held.items) == 1 and len(lines) == 1:
        return [(held.items[0].id, wanted[lines[0].order_line_item_id])] if wanted else []
    named = [(item.id, item.metadata.get(LINES, ""), item.quantity) for item in held.items]
    return [(key, wanted[line]) for key, line, quantity in named if line in wanted and quantity == 1]


def _is_there(held: ReboundReturnOrder, *, order: SalesOrder, items: list[tuple[str, str]]) -> bool:
    linked = {item.id: item.sales_item_id for item in held.items}
    return held.sales_order_id == order.rebound_id and all(linked.get(key) == item for key, item in items)


@transaction.atomic
def _keep(
    journey: Journey,
    rebound_return: ReboundReturn,
    *,
    order: SalesOrder,
    matches: list[Match],
    held: ReboundReturnOrder | None,
    note: str,
) -> str:
    """Store what ReBound holds, and the link itself unless a person decided otherwise meanwhile."""
    now = journey.now
    row = ReboundReturn.objects.select_for_update().get(pk=rebound_return.pk)
    if held is not None:
        row.rebound_sales_order_id = held.sales_order_id or ""
        row.payload = held.raw
    row.creating_until = None
    stands = Match.objects.current().filter(pk__in=[match.pk for match in matches]).count() == len(matches)
    if stands and row.may_be_linked_late:
        row.kind, row.sales_order, row.linked_late_at, row.late_look_at = Kind.LINKED, order, now, None
        row.link_note = f"Linked here only. {note}"[:500] if note else ""
    row.save()
    if row.kind != Kind.LINKED:
        return "Decided otherwise meanwhile"
    transaction.on_commit(partial(count, "late_links", result="here_only" if note else "linked"))
    return row.link_note or f"Linked to {order.external_order_id}"

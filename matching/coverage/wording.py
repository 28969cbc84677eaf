"""The words of a check for people: what was found, what to do, and why an order would not match.

Codes stand in the rows and never on a page alone. Every text is marked for translation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from matching.coverage.diagnosis import Finding, Kind
from matching.coverage.models import CoverageCheck, Failure
from matching.decision import Reason
from matching.id_rules import IdRules
from merchants.models import PlatformOrigin

Text = str | Promise

REASONS: dict[str, Text] = {
    Reason.NO_EXTERNAL_REF: gettext_lazy("TikTok holds no reference for this order under your platform origin."),
    Reason.REF_UNDER_OTHER_ORIGIN: gettext_lazy("TikTok holds a reference, but under another platform."),
    Reason.AMBIGUOUS_REF: gettext_lazy("TikTok holds several different references under your platform origin."),
    Reason.ORDER_NOT_SYNCED: gettext_lazy("No sales order with this id was found here or at ReBound."),
    Reason.AMBIGUOUS_ORDER: gettext_lazy("Several sales orders have this id."),
    Reason.ORDER_CANCELLED: gettext_lazy("The sales order is canceled."),
    Reason.METADATA_CONFLICT: gettext_lazy("The sales order's omsOrderId is not its order id."),
    Reason.LOOKUP_FAILED: gettext_lazy("A look-up got no answer, so nobody can tell."),
    Reason.ITEM_REF_MISSING: gettext_lazy("The order is found, but the reference does not name every line."),
    Reason.ITEM_REF_UNKNOWN: gettext_lazy("The order is found, but it has no item with the id that TikTok holds."),
    Reason.ITEM_REF_AMBIGUOUS: gettext_lazy("The order is found, but several items carry the same id."),
    Reason.QTY_EXCEEDS_ORDERED: gettext_lazy(
        "The order is found, but it has fewer units of the item than TikTok sold."
    ),
}
MATCHED: Text = gettext_lazy("Every line is found: a return would be linked.")

FAILURES: dict[str, tuple[Text, Text]] = {
    Failure.TIKTOK_CONNECTION: (
        gettext_lazy("TikTok no longer accepts the connection of this shop."),
        gettext_lazy("Connect the shop again in the first step, then check again."),
    ),
    Failure.TIKTOK_SCOPE: (
        gettext_lazy("The app may not read orders at TikTok."),
        gettext_lazy("Connect the shop again in the first step and grant every permission, then check again."),
    ),
    Failure.TIKTOK_UNAVAILABLE: (
        gettext_lazy("TikTok did not answer for several minutes."),
        gettext_lazy("Nothing is wrong on your side. Check again later."),
    ),
    Failure.REBOUND_CONNECTION: (
        gettext_lazy("ReBound refused the client id or the client secret."),
        gettext_lazy("Enter them again in the ReBound step, then check again."),
    ),
    Failure.REBOUND_UNAVAILABLE: (
        gettext_lazy("ReBound did not answer for several minutes."),
        gettext_lazy("Nothing is wrong on your side. Check again later."),
    ),
    Failure.REFUSED: (
        gettext_lazy("A call was refused that should not be."),
        gettext_lazy("Check again. If it happens twice, tell your implementation manager."),
    ),
    Failure.CRASHED: (
        gettext_lazy("Something went wrong on our side."),
        gettext_lazy("Check again. If it happens twice, tell your implementation manager."),
    ),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A finding in words. `button` is what applies the remedy, "" where it is not ours; `tone` is good, warn or bad."""

    finding: Finding
    title: str
    remedy: str
    button: str = ""
    tone: str = "warn"
    more: str = ""


def said(finding: Finding, *, check: CoverageCheck) -> Said:
    count, kind = finding.count, finding.kind
    values: dict[str, Any] = {**finding.values, "count": count, "origin": origin_name(finding.origin)}
    values["chosen"] = origin_name(check.platform_origin)
    if finding.rules is not None:
        values["rules"] = rules_in_words(finding.rules, than=check.rules)
    title, remedy = _TEXTS[kind](count)
    return Said(
        finding,
        title % values,
        remedy % values,
        button=_button(kind) % values,
        tone="good" if kind.is_ours else _TONES.get(kind, "warn"),
        more=_("Tried on this sample: no two different orders or items become equal.") if kind is Kind.ID_RULES else "",
    )


def origin_name(origin: str) -> str:
    return str(PlatformOrigin(origin).label) if origin in PlatformOrigin.values else origin


def rules_in_words(rules: IdRules, *, than: IdRules | None = None) -> str:
    """What the rules do, in one phrase; only what they do otherwise than others, where those are given."""
    parts = []
    if rules.strip_prefix and (than is None or rules.strip_prefix != than.strip_prefix):
        parts.append(_("the prefix “%(affix)s” were left out") % {"affix": rules.strip_prefix})
    if rules.strip_suffix and (than is None or rules.strip_suffix != than.strip_suffix):
        parts.append(_("the suffix “%(affix)s” were left out") % {"affix": rules.strip_suffix})
    if rules.ignore_case and not (than and than.ignore_case):
        parts.append(_("upper and lower case were the same"))
    if rules.trim_leading_zeros and not (than and than.trim_leading_zeros):
        parts.append(_("leading zeros were left out"))
    return _(" and ").join(parts)


def _button(kind: Kind) -> str:
    if kind is Kind.ID_RULES:
        return _("Set this rule and check again")
    if kind is Kind.OTHER_ORIGIN:
        return _("Choose %(origin)s and check again")
    return ""


def _id_rules(count: int) -> tuple[str, str]:
    title = ngettext("%(count)d order would match if %(rules)s", "%(count)d orders would match if %(rules)s", count)
    return title, _("The rule is applied to order ids and item ids on both sides before they are compared.")


def _unsafe_rules(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order would match if %(rules)s, but then two different ones would be the same",
        "%(count)d orders would match if %(rules)s, but then two different ones would be the same",
        count,
    )
    return title, _(
        "“%(one)s” and “%(other)s” would become equal, so we do not offer this rule: a return must never be linked "
        "to the wrong order. Let your OMS write the same id to TikTok and to ReBound."
    )


def _other_origin(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order carries a %(origin)s reference", "%(count)d orders carry a %(origin)s reference", count
    )
    return title, _("You chose %(chosen)s. Only %(referenced)s of the orders carry a reference of it.")


def _other_origins_too(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order carries a %(origin)s reference", "%(count)d orders carry a %(origin)s reference", count
    )
    return title, _(
        "You chose %(chosen)s, and most orders carry a reference of it. If these orders belong to another system, "
        "their returns are created without a link."
    )


_TONES = {Kind.NOT_SHIPPED_YET: "", Kind.OMS_ORDER_ID_MISSING: "", Kind.OTHER_ORIGINS_TOO: "", Kind.LOOKUP_FAILED: ""}


def _nothing_sampled(count: int) -> tuple[str, str]:
    return _("TikTok lists no order that could be returned"), _(
        "Orders that are unpaid, on hold or canceled are left out. Check again once the shop has sold something."
    )


def _no_reference(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order has no reference at TikTok", "%(count)d orders have no reference at TikTok", count
    )
    return title, _(
        "The integration between TikTok and your OMS has to write its order id and item ids back to TikTok for each "
        "order. Ask whoever runs it to switch that on for all orders."
    )


def _ambiguous_reference(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order has several different references under %(chosen)s",
        "%(count)d orders have several different references under %(chosen)s",
        count,
    )
    return title, _("Two systems may write under the same platform. Let only one of them write order ids to TikTok.")


def _no_orders_yet(count: int) -> tuple[str, str]:
    return _("No order has arrived from your OMS yet"), _(
        "TikTok holds the reference “%(wanted)s”, but there is no sales order here or at ReBound to go with it. Let "
        "your OMS push its orders to ReBound or to our order API."
    )


def _not_synced(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order has a reference, but no sales order with that id",
        "%(count)d orders have a reference, but no sales order with that id",
        count,
    )
    return title, _(
        "At TikTok an order is called “%(wanted)s”, while a sales order is called “%(held)s”. Let your OMS push these "
        "too, with the very id that it writes to TikTok as clientOrderId."
    )


def _ambiguous_order(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order has several sales orders with the same id",
        "%(count)d orders have several sales orders with the same id",
        count,
    )
    return title, _("Let your OMS push each order once, with an id of its own.")


def _order_cancelled(count: int) -> tuple[str, str]:
    title = ngettext("%(count)d sales order is canceled", "%(count)d sales orders are canceled", count)
    return title, _(
        "A return of a canceled order is created without a link. If it was sent after all, let your OMS say so."
    )


def _oms_order_id_differs(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d sales order has an omsOrderId that is not its order id",
        "%(count)d sales orders have an omsOrderId that is not their order id",
        count,
    )
    return title, _(
        "Let your OMS send the same value as clientOrderId and as omsOrderId in the order's clientMetadata."
    )


def _oms_order_id_missing(count: int) -> tuple[str, str]:
    title = ngettext("%(count)d sales order has no omsOrderId", "%(count)d sales orders have no omsOrderId", count)
    return title, _(
        "They match nevertheless. Let your OMS add omsOrderId to the order's clientMetadata, as ReBound asks."
    )


def _reference_without_lines(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d reference at TikTok names no lines", "%(count)d references at TikTok name no lines", count
    )
    return title, _(
        "The order is found, but none of its items. Let the integration write line_items with each reference: id is "
        "your item id, origin_id is TikTok's line id."
    )


def _lines_missing(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d reference at TikTok names only some of the lines",
        "%(count)d references at TikTok name only some of the lines",
        count,
    )
    return title, _("Let the integration write every line of the order, one for each unit that TikTok lists.")


def _sku_at_tiktok(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order carries the SKU at TikTok where the item id belongs",
        "%(count)d orders carry the SKU at TikTok where the item id belongs",
        count,
    )
    return title, _(
        "TikTok holds “%(at_tiktok)s”, the sales order's item is “%(in_order)s”. Let the integration write the OMS's "
        "item id as the line's id at TikTok. An SKU cannot tell two lines apart."
    )


def _sku_in_order(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d sales order carries the SKU where the item id belongs",
        "%(count)d sales orders carry the SKU where the item id belongs",
        count,
    )
    return title, _(
        "The sales order says “%(in_order)s”, TikTok holds “%(at_tiktok)s”. Let your OMS send its item id as omsItemId "
        "in each item's clientMetadata."
    )


def _no_item_ids(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d sales order has items without an id", "%(count)d sales orders have items without an id", count
    )
    return title, _("Let your OMS send omsItemId in each item's clientMetadata: the id that it writes to TikTok.")


def _item_unknown(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order is found, but its items have other ids",
        "%(count)d orders are found, but their items have other ids",
        count,
    )
    return title, _(
        "TikTok holds “%(at_tiktok)s”, the sales order “%(in_order)s”. Let your OMS send the same item id to both."
    )


def _item_ambiguous(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d order has items that share one id", "%(count)d orders have items that share one id", count
    )
    return title, _("Give each item of an order an id of its own; several units of it are one item with a quantity.")


def _too_few_units(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d sales order has fewer units than TikTok sold",
        "%(count)d sales orders have fewer units than TikTok sold",
        count,
    )
    return title, _("TikTok lists one line for each unit. Let your OMS send the quantity that was sold.")


def _not_at_rebound(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d sales order is here, but not at ReBound",
        "%(count)d sales orders are here, but not at ReBound",
        count,
    )
    return title, _("A return can be linked at ReBound only once ReBound holds the order too.")


def _lookup_failed(count: int) -> tuple[str, str]:
    title = ngettext("%(count)d order could not be looked up", "%(count)d orders could not be looked up", count)
    return title, _("Check again in a while. The table says for each order which call got no answer.")


def _not_shipped_yet(count: int) -> tuple[str, str]:
    title = ngettext(
        "%(count)d of these orders is not shipped yet", "%(count)d of these orders are not shipped yet", count
    )
    return title, _("If your OMS sends orders only once they are shipped, these may still arrive. Nothing to do.")


_TEXTS: dict[Kind, Callable[[int], tuple[str, str]]] = {
    Kind.ID_RULES: _id_rules,
    Kind.OTHER_ORIGIN: _other_origin,
    Kind.NOTHING_SAMPLED: _nothing_sampled,
    Kind.UNSAFE_RULES: _unsafe_rules,
    Kind.NO_REFERENCE: _no_reference,
    Kind.OTHER_ORIGINS_TOO: _other_origins_too,
    Kind.AMBIGUOUS_REFERENCE: _ambiguous_reference,
    Kind.NO_ORDERS_YET: _no_orders_yet,
    Kind.NOT_SYNCED: _not_synced,
    Kind.AMBIGUOUS_ORDER: _ambiguous_order,
    Kind.ORDER_CANCELLED: _order_cancelled,
    Kind.OMS_ORDER_ID_DIFFERS: _oms_order_id_differs,
    Kind.OMS_ORDER_ID_MISSING: _oms_order_id_missing,
    Kind.REFERENCE_WITHOUT_LINES: _reference_without_lines,
    Kind.LINES_MISSING: _lines_missing,
    Kind.SKU_AT_TIKTOK: _sku_at_tiktok,
    Kind.SKU_IN_ORDER: _sku_in_order,
    Kind.NO_ITEM_IDS: _no_item_ids,
    Kind.ITEM_UNKNOWN: _item_unknown,
    Kind.ITEM_AMBIGUOUS: _item_ambiguous,
    Kind.TOO_FEW_UNITS: _too_few_units,
    Kind.NOT_AT_REBOUND: _not_at_rebound,
    Kind.LOOKUP_FAILED: _lookup_failed,
    Kind.NOT_SHIPPED_YET: _not_shipped_yet,
}

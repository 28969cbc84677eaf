"""One return under one claim: its row, its parcel, and the clients that its steps call.

Built by `services.advance`, handed to every step, gone when the claim ends. It reads; the steps write.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db.models import Exists, Prefetch, prefetch_related_objects
from django.utils import timezone

from matching.matcher import Outcome
from matching.models import Match, SalesOrder
from merchants.connections import circuit_of, rebound_for, tiktok_for
from merchants.models import Lane, ReboundAccount, Shop
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.tiktok_shop import TikTokShopClient
from returns.models import Reason, ReboundReturn, ReturnLabel, TikTokReturn, TikTokReturnItem, reference_for
from returns.pipeline import AtRebound, Facts, LabelNeed, Late, Matched, Need, TikTokView, has_use, label_need

MOST_CREATIONS = 5  # ReBound returns of one parcel, each after the one before was cancelled


class BlockedError(Exception):
    """A step cannot go on, for a reason that a person can read and act on.

    `passing` says that it may cure itself: then the step is tried a few times before it asks for a person. `until` is
    the time at which it will have cured itself: then it is tried again and again till there, and asks for nobody.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, passing: bool = False, until: datetime | None = None
    ) -> None:
        super().__init__(f"{reason.label}. {detail}".strip())
        self.reason = reason
        self.detail = detail
        self.passing = passing
        self.until = until


def need_of(tiktok_return: TikTokReturn, *, our_tracking_number: str) -> LabelNeed:
    return label_need(
        TikTokView(
            return_status=tiktok_return.return_status,
            return_type=tiktok_return.return_type,
            return_method=tiktok_return.return_method,
            can_buyer_keep_item=tiktok_return.can_buyer_keep_item,
            tracking_number=tiktok_return.tiktok_tracking_number,
            our_tracking_number=our_tracking_number,
        )
    )


@dataclass
class Journey:
    tiktok_return: TikTokReturn
    decided_in_this_round: set[str] = field(default_factory=set)
    looked_late: bool = False  # in this round
    _items: dict[int, list[TikTokReturnItem]] = field(default_factory=dict)

    @property
    def shop(self) -> Shop:
        return self.tiktok_return.shop

    @property
    def now(self) -> datetime:
        return timezone.now()

    @cached_property
    def tiktok(self) -> TikTokShopClient:
        return tiktok_for(self.shop, circuit=circuit_of(self.shop))

    @property
    def account_of_the_shop(self) -> ReboundAccount:
        if self.shop.rebound_account is None:
            raise BlockedError(Reason.NO_REBOUND_ACCOUNT)
        return self.shop.rebound_account

    @property
    def account(self) -> ReboundAccount:
        """The account that holds the return, which stays there when the shop moves to another; else the shop's."""
        rebound_return = self.tiktok_return.rebound_return
        return rebound_return.account if rebound_return else self.account_of_the_shop

    @cached_property
    def rebound(self) -> ReboundClient:
        return rebound_for(self.account, circuit=circuit_of(self.account))

    @property
    def is_held(self) -> Exists:
        """That the return is still under this claim: a condition for what must not be written by a late finisher."""
        row = self.tiktok_return
        return Exists(TikTokReturn.objects.filter(pk=row.pk, claim_token=row.claim_token))

    def reload(self) -> None:
        """Read the return again, with its ReBound return and label. The shop stays as the claim found it: joining and
        building its rows again after every step would cost more than the step."""
        shop = self.shop
        row = TikTokReturn.objects.defer("payload").get(pk=self.tiktok_return.pk)
        row.shop, row.merchant = shop, shop.merchant
        rebound_return = None
        if row.rebound_return_id is not None:  # for most of a journey there is none, and a join costs as much as it
            with_label = ReboundReturn.objects.select_related("label").defer("payload", "request", "label__content")
            rebound_return = row.rebound_return = with_label.get(pk=row.rebound_return_id)
        if rebound_return is not None and rebound_return.account_id == shop.rebound_account_id:
            rebound_return.account = self.account_of_the_shop
        self.tiktok_return = row
        # Of a parcel of one, only this claim decides and creates: what it knows of that stays true.
        stale = ("parcel", "matches", "rebound_returns") if row.combined_return_id or rebound_return else ("parcel",)
        for name in stale:
            self.__dict__.pop(name, None)

    @cached_property
    def parcel(self) -> list[TikTokReturn]:
        """This return and those that travel with it, in a fixed order; this one is the very object in hand."""
        if not self.tiktok_return.combined_return_id:
            return [self.tiktok_return]
        others = (
            TikTokReturn.objects.parcel_of(self.tiktok_return)
            .exclude(pk=self.tiktok_return.pk)
            .select_related("rebound_return__account", "rebound_return__label")
            .defer("payload", "rebound_return__payload", "rebound_return__request", "rebound_return__label__content")
        )
        return sorted([self.tiktok_return, *others], key=lambda member: member.return_id)

    def items_of(self, member: TikTokReturn) -> list[TikTokReturnItem]:
        """The lines of a return of the parcel, in a fixed order; read once, until a fetch forgets them."""
        if member.pk not in self._items:
            self._items[member.pk] = list(member.items.order_by("return_line_item_id"))
        return self._items[member.pk]

    def forget_items(self) -> None:
        self._items.clear()

    def lane_for(self, country: str) -> Lane | None:
        """The shop's lane of this country of origin, else its default lane, else none; read once."""
        prefetch_related_objects([self.shop], "lanes")
        return self.shop.lane_for(country)

    @property
    def label(self) -> ReturnLabel | None:
        rebound_return = self.tiktok_return.rebound_return
        return getattr(rebound_return, "label", None) if rebound_return else None

    @property
    def our_tracking_number(self) -> str:
        return self.label.tracking_number if self.label else ""

    def wanting(self) -> list[TikTokReturn]:
        """The returns of the parcel that need our label."""
        return [
            member
            for member in self.parcel
            if member.fetched_at and need_of(member, our_tracking_number=self.our_tracking_number).need is Need.LABEL
        ]

    def concerned(self) -> list[TikTokReturn]:
        """The returns whose matches decide what the ReBound return is linked to: those that need the label, and once
        there is a ReBound return, those that belong to it and were not cancelled."""
        rebound_return_id = self.tiktok_return.rebound_return_id
        if rebound_return_id is None:
            return self.wanting()
        return [
            member
            for member in self.parcel
            if member.rebound_return_id == rebound_return_id
            and need_of(member, our_tracking_number=self.our_tracking_number).need is not Need.CANCELLED
        ]

    @cached_property
    def matches(self) -> dict[str, Match]:
        """The current decision of each return of the parcel that has one, by TikTok's return id."""
        ids = [member.return_id for member in self.parcel]
        current = Match.objects.for_merchant(self.shop.merchant).current().filter(shop=self.shop, return_id__in=ids)
        return {match.return_id: match for match in current.prefetch_related("sales_order")}

    def parcels_rebound_return(self) -> ReboundReturn | None:
        """The ReBound return of the parcel, whether this return has joined it or not.

        Who joins late leaves a cancelled one alone: the parcel gets another.
        """
        if self.tiktok_return.rebound_return:
            return self.tiktok_return.rebound_return
        # Returns may have been on their way before TikTok combined them, under a reference of their own.
        joined = [member.rebound_return for member in self.parcel if member.rebound_return]
        for rebound_return in joined:
            if rebound_return.cancelled_at is None:
                return rebound_return
        return next((each for each in self.rebound_returns.values() if each.cancelled_at is None), None)

    @property
    def references(self) -> list[str]:
        """Our references of the parcel at ReBound: the one it starts with, then those after a cancellation."""
        first = reference_for(self.tiktok_return, shop=self.shop)
        return [first, *(f"{first}-{number}" for number in range(2, MOST_CREATIONS + 1))]

    @cached_property
    def rebound_returns(self) -> dict[str, ReboundReturn]:
        """What exists under the parcel's references, cancelled or not."""
        found = (
            ReboundReturn.objects.for_merchant(self.shop.merchant)
            .filter(account=self.shop.rebound_account, reference__in=self.references)
            .prefetch_related(Prefetch("label", ReturnLabel.objects.defer("content")), "account")
            .defer("payload", "request")
        )
        return {each.reference: each for each in found}

    def facts(self) -> Facts:
        """The facts of this moment, for `pipeline.next_step`."""
        row = self.tiktok_return
        fetch_wanted = row.fetched_at is None or row.fetched_hint_count < row.hint_count
        label = need_of(row, our_tracking_number=self.our_tracking_number)
        joined = row.rebound_return is not None
        facts = Facts(
            fetch_wanted=fetch_wanted,
            label=label,
            at_rebound=AtRebound.NONE if fetch_wanted else _at_rebound(self.parcels_rebound_return()),
            joined=joined,
            delivered=row.label_delivered_at is not None,
            direct_asked=row.direct_asked_at is not None,
            paused=self.shop.paused_at is not None,
            resolved=row.resolved_at is not None,
        )
        if fetch_wanted:
            return facts
        if joined and facts.delivered and label.need in {Need.LABEL, Need.PASSED}:
            return replace(facts, late=self._late())
        if label.need is Need.LABEL and not joined:
            matched, wait_is_over = self._matched()
            return replace(facts, matched=matched, wait_is_over=wait_is_over)
        if label.need is not Need.LABEL and joined:
            others = [member for member in self.parcel if member.pk != row.pk]
            return replace(facts, parcel_still_wanted=any(self._uses_our_return(member) for member in others))
        return facts

    def _uses_our_return(self, member: TikTokReturn) -> bool:
        """Whether another return of the parcel has a use for the ReBound return of this one."""
        need = need_of(member, our_tracking_number=self.our_tracking_number).need
        if member.rebound_return_id == self.tiktok_return.rebound_return_id:
            return has_use(need, delivered=member.label_delivered_at is not None)
        return need is Need.LABEL and member.rebound_return_id is None

    def _late(self) -> Late:
        rebound_return = self.tiktok_return.rebound_return
        if rebound_return is None or not rebound_return.may_be_linked_late:
            return Late.NOTHING
        is_due = rebound_return.late_look_at is not None and rebound_return.late_look_at <= self.now
        if not is_due and not any(match.is_by_hand and match.sales_order_id for match in self.matches.values()):
            return Late.NOTHING
        if not self.looked_late:
            return Late.LOOK
        return Late.LINK if self.order_to_link()[0] else Late.NOTHING

    def order_to_link(self) -> tuple[SalesOrder | None, str]:
        """The sales order to link to, or why there is none. Every return of a parcel must point at the same order."""
        concerned = self.concerned()
        if any(member.direct_asked_at for member in concerned):
            return None, "ASKED_BY_A_PERSON"
        matches = self.matches
        found = [matches[member.return_id] for member in concerned if member.return_id in matches]
        linked = [match for match in found if match.sales_order_id]
        if not linked:
            reasons = [match.reason for match in found if match.reason]
            return None, (reasons[0] if reasons else "NOT_MATCHED")
        if len({match.sales_order_id for match in linked}) > 1:
            return None, "PARCEL_OF_SEVERAL_ORDERS"
        in_doubt = [match for match in found if match.outcome != Outcome.MATCHED and not match.is_by_hand]
        if self.shop.partly_matched_goes_direct and in_doubt:
            return None, next((match.reason for match in found if match.reason), "PARTLY_MATCHED")
        order = linked[0].sales_order
        if order is None or not order.rebound_id:
            return None, "ORDER_NOT_AT_REBOUND"
        return (None, "ORDER_CANCELLED") if order.cancelled_at else (order, "")

    def _matched(self) -> tuple[Matched, bool]:
        wanting = self.wanting()
        matches = self.matches
        found = [matches.get(member.return_id) for member in wanting]
        curable = [
            member
            for member, match in zip(wanting, found, strict=True)
            if match is not None and match.may_improve and member.direct_asked_at is None
        ]
        over = all(member.match_wait_until is None or member.match_wait_until <= self.now for member in curable)
        if any(match is None for match in found):
            return Matched.MISSING, over
        if any(member.return_id not in self.decided_in_this_round for member in curable):
            return Matched.STALE, over
        return (Matched.CURABLE if curable else Matched.SETTLED), over


def claimed_journey(key: int, *, token: UUID) -> Journey | None:
    """The journey of a return that is still under this claim, with its shop and connections; None where it is not."""
    row = TikTokReturn.objects.filter(pk=key, claim_token=token).first()
    if row is None:
        return None
    row.shop = Shop.objects.select_related("merchant", "authorization", "rebound_account").get(pk=row.shop_id)
    journey = Journey(row)
    if row.rebound_return_id is None:
        row.merchant = row.shop.merchant
    else:
        journey.reload()
    return journey


def _at_rebound(rebound_return: ReboundReturn | None) -> AtRebound:
    if rebound_return is None:
        return AtRebound.NONE
    if rebound_return.cancelled_at:
        return AtRebound.CANCELLED_THERE if rebound_return.cancelled_there else AtRebound.CANCELLED
    if not rebound_return.confirmed_at:
        return AtRebound.STARTED
    return AtRebound.LABELLED if hasattr(rebound_return, "label") else AtRebound.CREATED

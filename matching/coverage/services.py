"""What can be done with coverage checks: start one, cancel it, apply what it proposes and check again."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from matching.coverage.diagnosis import Finding
from matching.coverage.models import (
    LARGEST_SAMPLE,
    SMALLEST_SAMPLE,
    CheckState,
    CoverageCheck,
    CoverageOrder,
)
from merchants.models import PlatformOrigin, Shop
from merchants.settings_history import note_settings, note_what_was_found

KEPT = 20  # checks of a shop, the newest; older ones are forgotten with their orders
STILL_FRESH = timedelta(minutes=15)  # what TikTok told of a sample need not be asked again
DEFAULT_SAMPLE = 100


class NotReadyError(Exception):
    """The shop has no platform origin: nothing could be compared."""


class SampleSizeError(ValueError):
    """The sample is not of 20 to 500 orders."""


def start_check(
    *, shop: Shop, sample_size: int, now: datetime, asked_by: str = "", like: CoverageCheck | None = None
) -> CoverageCheck:
    """Put a check of the shop in the queue; where one is active already, that one is answered, and no other is made.

    `like` is a check whose orders and references are taken over, where it is of the same origin and fresh: after a
    change of id rules nothing at TikTok can have changed by it. Ring with `matching.coverage.tasks.ring` afterwards.
    Raises NotReadyError and SampleSizeError.
    """
    if not shop.platform_origin:
        raise NotReadyError
    if not SMALLEST_SAMPLE <= sample_size <= LARGEST_SAMPLE:
        raise SampleSizeError
    checks = CoverageCheck.objects.for_merchant(shop.merchant).filter(shop=shop)
    active: CoverageCheck | None = checks.active().first()
    if active is not None:
        return active
    try:
        with transaction.atomic():
            check = CoverageCheck.objects.create(
                merchant=shop.merchant,
                shop=shop,
                sample_size=sample_size,
                platform_origin=shop.platform_origin,
                id_strip_prefix=shop.id_strip_prefix,
                id_strip_suffix=shop.id_strip_suffix,
                id_ignore_case=shop.id_ignore_case,
                id_trim_leading_zeros=shop.id_trim_leading_zeros,
                asked_by=asked_by[:150],
                asked_at=now,
                next_attempt_at=now,
            )
            if like is not None and _is_reusable(like, check=check, now=now):
                _take_over(check, like=like)
            old = list(checks.order_by("-asked_at", "-pk").values_list("pk", flat=True)[KEPT:])
            checks.filter(pk__in=old).exclude(state=CheckState.ACTIVE).delete()
    except IntegrityError:
        # Two clicks at once: the other one was first.
        first: CoverageCheck = checks.active().get()
        return first
    return check


def _is_reusable(like: CoverageCheck, *, check: CoverageCheck, now: datetime) -> bool:
    is_same = (like.shop_id, like.platform_origin, like.sample_size) == (
        check.shop_id,
        check.platform_origin,
        check.sample_size,
    )
    is_fresh = like.finished_at is not None and now - like.asked_at < STILL_FRESH
    return is_same and is_fresh and like.state == CheckState.DONE


def _take_over(check: CoverageCheck, *, like: CoverageCheck) -> None:
    rows = [
        CoverageOrder(
            merchant=check.merchant,
            coverage_check=check,
            position=row.position,
            order_id=row.order_id,
            order_status=row.order_status,
            ordered_at=row.ordered_at,
            lines=row.lines,
            references=row.references,
        )
        for row in like.orders.order_by("position")
    ]
    CoverageOrder.objects.bulk_create(rows)
    check.sampled_at, check.sampled = like.sampled_at, len(rows)
    check.read = sum(row.references is not None for row in rows)
    check.save(update_fields=["sampled_at", "sampled", "read"])


def cancel_check(check: CoverageCheck, *, now: datetime) -> bool:
    """Stop it; what it found so far stays. Answers whether it was still active."""
    return bool(
        CoverageCheck.objects.active()
        .filter(pk=check.pk)
        .update(state=CheckState.CANCELLED, finished_at=now, claimed_until=None, claim_token=None)
    )


def apply_remedy(*, check: CoverageCheck, finding: Finding, now: datetime, by: str = "") -> CoverageCheck:
    """Set on the shop what the finding proposes, and check again with as many orders.

    Raises ValueError where the finding has no remedy of ours.
    """
    shop: Shop = Shop.objects.for_merchant(check.merchant).get(pk=check.shop_id)
    changes: dict[str, str | bool]
    if finding.rules is not None and finding.kind.is_ours:
        changes = {
            "id_strip_prefix": finding.rules.strip_prefix,
            "id_strip_suffix": finding.rules.strip_suffix,
            "id_ignore_case": finding.rules.ignore_case,
            "id_trim_leading_zeros": finding.rules.trim_leading_zeros,
        }
    elif finding.kind.is_ours and finding.origin in PlatformOrigin.values:
        changes = {"platform_origin": finding.origin}
    else:
        raise ValueError(f"{finding.kind} has no remedy of ours")
    with transaction.atomic():
        note_what_was_found(shop=shop, now=now)
        for name, value in changes.items():
            setattr(shop, name, value)
        shop.save(update_fields=list(changes))
        note_settings(shop=shop, by=by or "the merchant", now=now, reason="Proposed by a coverage check")
    return start_check(shop=shop, sample_size=check.sample_size, now=now, asked_by=by, like=check)


def newest_check(shop: Shop) -> CoverageCheck | None:
    checks = CoverageCheck.objects.for_merchant(shop.merchant).filter(shop=shop)
    newest: CoverageCheck | None = checks.order_by("-asked_at", "-pk").first()
    return newest

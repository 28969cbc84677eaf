"""Alerts: what went wrong for a merchant, told to those who asked, in digests.

Nothing is sent when something happens: each channel's turn comes once in its interval, and gathers what came to need
attention since the last time, which connections broke, and whether the match rate fell. What was gathered is a row
before it is sent, so that a failed try is repeated and a crash loses nothing. No buyer's data is in an alert.
"""

import json
import logging
import smtplib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Count, F
from django.utils.translation import gettext_lazy as _

from matching.match_rates import match_rates
from merchants.models import ReboundAccount, ShopAuthorization
from rebound_tts.clients.alert_webhook import post_alert
from rebound_tts.clients.errors import PermanentError, RemoteError, TemporaryError
from returns.alert_models import CONNECTION_BROKEN, MATCH_RATE_FELL, AlertChannel, AlertDelivery, AlertKind
from returns.models import Reason, Status, TikTokReturn

logger = logging.getLogger(__name__)

EXAMPLES = 5  # returns that an alert names, a reason
DRIFT_AGAIN = timedelta(days=7)
LEASE = timedelta(minutes=2)  # longer than a try may take
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8))
AT_A_TIME = 20

_members = list(Reason)
ATTENTION = _members[_members.index(Reason.REMOTE_UNAVAILABLE) : _members.index(Reason.CRASHED) + 1]
TOLD_OF: list[tuple[str, Any]] = [
    (CONNECTION_BROKEN, _("A connection broke")),
    (MATCH_RATE_FELL, _("The match rate fell")),
    *((reason.value, reason.label) for reason in ATTENTION),
]


def write_digests(*, now: datetime) -> int:
    """Gather what happened for each channel whose turn it is. Answers how many messages that made."""
    written = 0
    for channel in AlertChannel.objects.filter(is_active=True, next_digest_at__lte=now).select_related("merchant"):
        with transaction.atomic():
            mine = AlertChannel.objects.filter(pk=channel.pk, next_digest_at=channel.next_digest_at)
            if not mine.update(next_digest_at=now + timedelta(minutes=channel.minutes), told_until=now):
                continue  # another process was faster
            told = _what_happened(channel, until=now)
            if told["needs_attention"] or told["connections"] or told["match_rate"]:
                queue(channel=channel, body=told, now=now)
                written += 1
    return written


def queue(*, channel: AlertChannel, body: dict[str, Any], now: datetime) -> AlertDelivery:
    made: AlertDelivery = AlertDelivery.objects.create(
        merchant_id=channel.merchant_id, channel=channel, message=body, created_at=now, next_attempt_at=now
    )
    return made


def trial_body(channel: AlertChannel, *, now: datetime) -> dict[str, Any]:
    return {**_empty(channel, until=now), "test": True}


def _empty(channel: AlertChannel, *, until: datetime) -> dict[str, Any]:
    return {
        "merchant": channel.merchant.name,
        "since": channel.told_until.isoformat(),
        "until": until.isoformat(),
        "needs_attention": [],
        "connections": [],
        "match_rate": None,
        "url": f"{settings.PUBLIC_URL}/admin/",
    }


def _what_happened(channel: AlertChannel, *, until: datetime) -> dict[str, Any]:
    told = _empty(channel, until=until)
    since = channel.told_until
    stuck = TikTokReturn.objects.for_merchant(channel.merchant).filter(
        status=Status.NEEDS_ATTENTION, status_changed_at__gte=since, status_changed_at__lt=until
    )
    counts = stuck.values_list("reason").annotate(count=Count("pk")).order_by("-count", "reason")
    for reason, count in counts:
        if channel.hears_of(reason):
            ids = stuck.filter(reason=reason).order_by("pk").values_list("return_id", flat=True)[:EXAMPLES]
            told["needs_attention"].append(
                {"reason": reason, "text": str(Reason(reason).label), "count": count, "returns": list(ids)}
            )
    if channel.hears_of(CONNECTION_BROKEN):
        for system, model in (("TikTok", ShopAuthorization), ("ReBound", ReboundAccount)):
            broken: Any = model.objects.for_merchant(channel.merchant)
            for row in broken.filter(broken_at__gte=since, broken_at__lt=until).order_by("pk"):
                told["connections"].append(
                    {
                        "system": system,
                        "name": str(row),
                        "reason": row.broken_reason,
                        "text": str(row.get_broken_reason_display()),
                    }
                )
    if channel.hears_of(MATCH_RATE_FELL):
        told["match_rate"] = _drift(channel, now=until)
    return told


def _drift(channel: AlertChannel, *, now: datetime) -> dict[str, Any] | None:
    """The fall of the match rate, told once a week while it lasts."""
    if channel.drift_told_at and now - channel.drift_told_at < DRIFT_AGAIN:
        return None
    fell = [rate for rate in match_rates(now=now, merchants=[channel.merchant_id]) if rate.has_drifted]
    if not fell:
        return None
    AlertChannel.objects.filter(pk=channel.pk).update(drift_told_at=now)
    return {"percent_of_30_days": fell[0].percent, "points": fell[0].points}


def alerts_are_due(*, now: datetime) -> bool:
    return AlertDelivery.objects.filter(next_attempt_at__lte=now).exists()


def deliver_due(*, now: datetime) -> int:
    """Send what is due, each under a lease of its own. Answers how many were sent."""
    sent = 0
    due = AlertDelivery.objects.filter(next_attempt_at__lte=now).order_by("next_attempt_at")
    for delivery in due.select_related("channel__merchant")[:AT_A_TIME]:
        mine = AlertDelivery.objects.filter(pk=delivery.pk, next_attempt_at=delivery.next_attempt_at)
        if mine.update(next_attempt_at=now + LEASE, attempts=F("attempts") + 1):
            sent += _try(delivery, now=now)
    return sent


def _try(delivery: AlertDelivery, *, now: datetime) -> bool:
    row = AlertDelivery.objects.filter(pk=delivery.pk)
    try:
        _send(delivery, now=now)
    except PermanentError as error:
        row.update(next_attempt_at=None, given_up_at=now, last_error=str(error)[:500])
    except (RemoteError, smtplib.SMTPException, OSError) as error:
        tries = delivery.attempts + 1
        over = tries > len(BACKOFF)
        row.update(
            next_attempt_at=None if over else now + BACKOFF[tries - 1],
            given_up_at=now if over else None,
            last_error=str(error)[:500],
        )
    else:
        row.update(next_attempt_at=None, sent_at=now, last_error="")
        return True
    logger.warning("an alert was not delivered", extra={"delivery": delivery.pk, "channel": delivery.channel_id})
    return False


def _send(delivery: AlertDelivery, *, now: datetime) -> None:
    channel = delivery.channel
    if channel.kind == AlertKind.WEBHOOK:
        body = json.dumps({"id": delivery.pk, **delivery.message}, separators=(",", ":")).encode()
        post_alert(url=channel.address, body=body, secret=channel.secret, at=now)
        return
    message = EmailMessage(subject=subject(delivery.message), body=text(delivery.message), to=[channel.address])
    if not message.send():
        raise TemporaryError(message="The mail server took no message.")


def subject(body: dict[str, Any]) -> str:
    count = sum(each["count"] for each in body["needs_attention"])
    parts = [f"{count} returns need attention" if count != 1 else "1 return needs attention"] if count else []
    parts += ["a test alert"] if body.get("test") else []
    parts += ["a connection broke"] if body["connections"] else []
    parts += ["the match rate fell"] if body["match_rate"] else []
    # A name is somebody's own text, and a subject is one line.
    return " ".join(f"{body['merchant']}: {', '.join(parts)}".split())[:200]


def text(body: dict[str, Any]) -> str:
    lines = ["This is a test. Alerts reach you here.", ""] if body.get("test") else []
    for each in body["needs_attention"]:
        named = ", ".join(each["returns"])
        lines += [f"{each['count']} x {each['text']}", f"    {named}{', ...' if each['count'] > EXAMPLES else ''}"]
    for each in body["connections"]:
        lines.append(f"{each['system']} connection of {each['name']} broke: {each['text']}")
    if body["match_rate"]:
        told = body["match_rate"]
        lines.append(f"The match rate fell: {told['percent_of_30_days']} % of the last 30 days.")
    return "\n".join([*lines, "", f"Work queue: {body['url']}", ""])

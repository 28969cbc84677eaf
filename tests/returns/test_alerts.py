"""Alerts: one message in an interval however much happened, to a merchant's own channels, nothing lost or doubled."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from matching.models import MatchDay
from merchants.models import AuditEntry, StaffAssignment
from merchants.staff import Role
from rebound_tts.clients.errors import PermanentError, TemporaryError
from returns import alerts
from returns.alerts import BACKOFF, deliver_due, queue, subject, text, trial_body, write_digests
from returns.models import AlertChannel, AlertDelivery
from returns.tasks import upkeep
from tests.factories import (
    AlertChannelFactory,
    MerchantFactory,
    ReboundAccountFactory,
    ShopAuthorizationFactory,
    ShopFactory,
    TikTokReturnFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What webhooks were sent."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(alerts, "post_alert", lambda **call: found.append(call))
    return found


def body() -> dict[str, Any]:
    (delivery,) = AlertDelivery.objects.all()
    told: dict[str, Any] = delivery.message
    return told


def test_digest_gathers_what_came_to_need_attention_by_reason():
    channel = AlertChannelFactory()
    shop = ShopFactory(merchant=channel.merchant)
    later = timezone.now() + timedelta(minutes=1)
    stuck = TikTokReturnFactory.create_batch(7, shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE")
    TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="UPLOAD_REFUSED")
    TikTokReturnFactory(shop=shop, status="WAITING", reason="ORDER_AWAITED")
    TikTokReturnFactory(status="NEEDS_ATTENTION", reason="CRASHED")  # another merchant's
    long_ago = channel.told_until - timedelta(hours=1)
    TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="REOPENED", status_changed_at=long_ago)
    assert write_digests(now=later) == 1
    told = body()
    assert [(each["reason"], each["count"]) for each in told["needs_attention"]] == [
        ("NO_LANE", 7),
        ("UPLOAD_REFUSED", 1),
    ]
    assert told["needs_attention"][0]["returns"] == [row.return_id for row in stuck[:5]]
    assert "Secretia Hidden" not in str(told)
    assert subject(told) == f"{channel.merchant}: 8 returns need attention"
    assert "7 x No lane covers the country" in text(told)


def test_digest_comes_once_in_its_interval_and_tells_nothing_twice():
    channel = AlertChannelFactory(minutes=30)
    shop = ShopFactory(merchant=channel.merchant)
    start = timezone.now() + timedelta(minutes=1)
    TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE")
    assert [write_digests(now=start), write_digests(now=start)] == [1, 0]
    TikTokReturnFactory(
        shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE", status_changed_at=start + timedelta(minutes=1)
    )
    assert write_digests(now=start + timedelta(minutes=29)) == 0
    assert write_digests(now=start + timedelta(minutes=30)) == 1
    assert write_digests(now=start + timedelta(minutes=60)) == 0  # nothing happened: nothing is sent
    assert [row.message["needs_attention"][0]["count"] for row in AlertDelivery.objects.order_by("pk")] == [1, 1]


def test_broken_connections_are_told():
    channel = AlertChannelFactory()
    now = timezone.now()
    for make, reason in ((ShopAuthorizationFactory, "DEAUTHORIZED"), (ReboundAccountFactory, "CREDENTIALS_REFUSED")):
        make(merchant=channel.merchant, broken_at=now, broken_reason=reason)
        make(broken_at=now, broken_reason=reason)  # another merchant's
    write_digests(now=now + timedelta(minutes=1))
    assert [(each["system"], each["reason"]) for each in body()["connections"]] == [
        ("TikTok", "DEAUTHORIZED"),
        ("ReBound", "CREDENTIALS_REFUSED"),
    ]
    assert "secret-" not in str(body())
    assert subject(body()).endswith(": a connection broke")


def test_fall_of_the_match_rate_is_told_once_a_week():
    channel = AlertChannelFactory(minutes=60)
    now = timezone.now() + timedelta(minutes=1)
    for days_ago, asked, matched in ((0, 20, 2), (10, 100, 95)):
        MatchDay.objects.create(
            merchant=channel.merchant,
            day=(now - timedelta(days=days_ago)).date(),
            asked=asked,
            matched=matched,
            counted_at=now,
        )
    assert write_digests(now=now) == 1
    assert body()["match_rate"] == {"percent_of_30_days": 81, "points": None}
    assert write_digests(now=now + timedelta(hours=2)) == 0


@pytest.mark.parametrize(("reasons", "count"), [([], 1), (["NO_LANE"], 1), (["CRASHED", "CONNECTION_BROKEN"], 0)])
def test_channel_hears_of_what_it_asked_for(reasons, count):
    channel = AlertChannelFactory(reasons=reasons)
    shop = ShopFactory(merchant=channel.merchant)
    TikTokReturnFactory(shop=shop, status="NEEDS_ATTENTION", reason="NO_LANE")
    assert write_digests(now=timezone.now() + timedelta(minutes=1)) == count


def test_channel_that_is_not_active_hears_nothing():
    channel = AlertChannelFactory(is_active=False)
    TikTokReturnFactory(shop=ShopFactory(merchant=channel.merchant), status="NEEDS_ATTENTION", reason="NO_LANE")
    assert write_digests(now=timezone.now() + timedelta(minutes=1)) == 0


# Delivery


def queued(**columns: Any) -> AlertDelivery:
    channel, now = AlertChannelFactory(**columns), timezone.now()
    return queue(channel=channel, body=trial_body(channel, now=now), now=now)


def test_webhook_is_sent_once(sent):
    delivery, now = queued(), timezone.now()
    assert [deliver_due(now=now), deliver_due(now=now)] == [1, 0]
    (call,) = sent
    assert (call["url"], call["secret"]) == (delivery.channel.address, "secret-of-channel")
    assert f'"id":{delivery.pk}'.encode() in call["body"]
    delivery.refresh_from_db()
    assert (delivery.sent_at, delivery.next_attempt_at, delivery.attempts) == (now, None, 1)


def test_mail_is_sent(mailoutbox):
    queued(kind="EMAIL", address="mona@rebound.example", merchant__name="Quay\nBcc: eve@example.com")
    assert deliver_due(now=timezone.now()) == 1
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (
        ["mona@rebound.example"],
        "Quay\nBcc: eve@example.com: a test alert".replace("\n", " "),
    )
    assert "This is a test" in mail.body


@pytest.mark.parametrize("error", [TemporaryError(message="busy"), smtplib.SMTPException("busy"), OSError("busy")])
def test_failed_try_is_repeated_later_each_time_and_then_given_up(monkeypatch, error):
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(alerts, "post_alert", fail)
    delivery, now = queued(), timezone.now()
    for wait in BACKOFF:
        assert deliver_due(now=now) == 0
        delivery.refresh_from_db()
        assert (delivery.next_attempt_at, delivery.given_up_at) == (now + wait, None)
        assert "busy" in delivery.last_error
        assert deliver_due(now=now + wait / 2) == 0
        now += wait
    deliver_due(now=now)
    delivery.refresh_from_db()
    assert (delivery.next_attempt_at, delivery.given_up_at, delivery.attempts) == (None, now, len(BACKOFF) + 1)


def test_refused_address_is_given_up_at_once(monkeypatch):
    def refuse(**_: Any) -> None:
        raise PermanentError(message="x answered 404.")

    monkeypatch.setattr(alerts, "post_alert", refuse)
    delivery, now = queued(), timezone.now()
    deliver_due(now=now)
    delivery.refresh_from_db()
    assert (delivery.next_attempt_at, delivery.given_up_at) == (None, now)


def test_dead_worker_s_try_is_taken_up_after_its_lease(monkeypatch, sent):
    class Killed(BaseException):
        pass

    def die(**_: Any) -> None:
        raise Killed

    delivery, now = queued(), timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "post_alert", die)
        with pytest.raises(Killed):
            deliver_due(now=now)
    assert deliver_due(now=now + timedelta(seconds=60)) == 0
    assert deliver_due(now=now + timedelta(minutes=2)) == 1
    delivery.refresh_from_db()
    assert delivery.attempts == 2


def test_upkeep_writes_digests_and_queues_their_delivery(clock):
    channel = AlertChannelFactory()
    TikTokReturnFactory(shop=ShopFactory(merchant=channel.merchant), status="NEEDS_ATTENTION", reason="NO_LANE")
    clock.advance(minutes=1)
    upkeep()
    assert AlertDelivery.objects.filter(sent_at__isnull=True).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM django_q_ormq")
        assert cursor.fetchone()[0] >= 1


# The admin's pages


@pytest.fixture
def manager(client: Client) -> User:
    user = User.objects.create_user("mona", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.MANAGER))
    client.force_login(user)
    return user


ADD = reverse("admin:returns_alertchannel_add")


def test_webhook_channel_is_made_and_its_secret_shown_once(client, manager):
    merchant = MerchantFactory()
    StaffAssignment.objects.create(user=manager, merchant=merchant)
    made = {"merchant": merchant.pk, "kind": "WEBHOOK", "address": "https://x.example/hook", "minutes": 15}
    answer = client.post(ADD, {**made, "is_active": "on", "reasons": ["NO_LANE"]})
    channel = AlertChannel.objects.get()
    assert dict(answer.context["secret"])["Signing secret"] == channel.secret
    assert len(channel.secret) > 30
    page = client.get(reverse("admin:returns_alertchannel_change", args=[channel.pk])).content.decode()
    assert channel.secret not in page
    assert (channel.reasons, channel.minutes, channel.hears_of("CRASHED")) == (["NO_LANE"], 15, False)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "http://x.example"}, "address"),
        ({"address": "https://10.0.0.7/"}, "address"),
        ({"minutes": 1}, "__all__"),
        ({"kind": "EMAIL", "address": "mona@rebound.example"}, "kind"),
        ({"kind": "EMAIL", "address": "not an address"}, "address"),
    ],
)
def test_impossible_channel_is_refused(client, manager, changes, field):
    merchant = MerchantFactory()
    StaffAssignment.objects.create(user=manager, merchant=merchant)
    sent = {"merchant": merchant.pk, "kind": "WEBHOOK", "address": "https://x.example/", "minutes": 60, **changes}
    answer = client.post(ADD, sent)
    assert field in answer.context["adminform"].form.errors
    assert AlertChannel.objects.count() == 0


def test_channel_for_another_merchant_is_refused(client, manager):
    sent = {"merchant": MerchantFactory().pk, "kind": "WEBHOOK", "address": "https://x.example/", "minutes": 60}
    assert "merchant" in client.post(ADD, sent).context["adminform"].form.errors


def test_test_alert_is_queued_and_logged(client, manager, sent):
    channel = AlertChannelFactory()
    StaffAssignment.objects.create(user=manager, merchant=channel.merchant)
    page = reverse("admin:returns_alertchannel_send_a_test", args=[channel.pk])
    assert client.get(page).status_code == 200
    assert AlertDelivery.objects.count() == 0
    assert client.post(page).status_code == 302
    assert deliver_due(now=timezone.now()) == 1
    assert b'"test":true' in sent[0]["body"]
    assert AuditEntry.objects.get().act == "Sent a test alert"


def test_new_secret_replaces_the_old(client, manager):
    channel = AlertChannelFactory()
    StaffAssignment.objects.create(user=manager, merchant=channel.merchant)
    answer = client.post(reverse("admin:returns_alertchannel_new_secret", args=[channel.pk]), {"reason": "Leaked"})
    channel.refresh_from_db()
    assert channel.secret != "secret-of-channel"
    assert dict(answer.context["secret"])["Signing secret"] == channel.secret

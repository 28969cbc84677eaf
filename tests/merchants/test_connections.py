"""Tokens: renewed in time, once for all, stored as a pair, and a broken connection that says who must mend it."""

import logging
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from merchants import connections
from merchants.connections import AuthorizationTokens, circuit_of, mark_broken, rebound_for, tiktok_for
from merchants.models import ReboundAccount, Shop, ShopAuthorization
from rebound_tts.clients.circuit import FAILURES, CircuitOpenError
from rebound_tts.clients.errors import ConfigurationError, TemporaryError, TokenRejectedError
from rebound_tts.clients.http import threads_that_wait
from rebound_tts.demo.cast import assemble
from tests.conftest import in_threads
from tests.factories import ReboundAccountFactory, ShopAuthorizationFactory

REFRESH = "tiktok GET /api/v2/token/refresh"
TOKEN = "rebound POST /oauth2/token"


def calls(sandbox: Any, endpoint: str) -> int:
    return int(sandbox.get("/calls")["by_endpoint"].get(endpoint, 0))


def tokens_of(row: ShopAuthorization) -> tuple[str, str]:
    return row.access_token, row.refresh_token


def expire(sandbox: Any, **which: Any) -> None:
    sandbox.post("/tokens/expire", **which)
    sandbox.post("/calls/reset")


# TikTok


def test_live_token_is_used_as_it_is(sandbox, authorization):
    sandbox.post("/calls/reset")
    assert AuthorizationTokens(authorization).current() == authorization.access_token
    assert sandbox.get("/calls")["total"] == 0


def test_token_near_its_end_is_renewed_before_it_is_used(sandbox, authorization):
    before = tokens_of(authorization)
    ShopAuthorization.objects.update(access_token_expires_at=timezone.now() + timedelta(seconds=50))
    authorization.refresh_from_db()
    sandbox.post("/calls/reset")
    used = AuthorizationTokens(authorization).current()
    stored = ShopAuthorization.objects.get(pk=authorization.pk)
    assert used == stored.access_token
    assert not set(tokens_of(stored)) & set(before)
    assert stored.renewing_until is None
    assert stored.access_token_expires_at > timezone.now() + timedelta(hours=1)
    assert calls(sandbox, REFRESH) == 1


def test_rejected_token_is_renewed_and_the_call_repeated(sandbox, cast, authorization):
    expire(sandbox, kind="access")
    assert tiktok_for(cast.shopify.shop).warehouses()
    assert calls(sandbox, REFRESH) == 1
    assert tokens_of(ShopAuthorization.objects.get(pk=authorization.pk)) != tokens_of(authorization)


def test_token_that_another_worker_renewed_is_taken(sandbox, authorization):
    """Two workers hold the same rejected token; the second finds the first one's."""
    first, second = (AuthorizationTokens(ShopAuthorization.objects.get(pk=authorization.pk)) for _ in range(2))
    sandbox.post("/calls/reset")
    renewed = first.renew(rejected=authorization.access_token)
    assert second.renew(rejected=authorization.access_token) == renewed
    assert calls(sandbox, REFRESH) == 1
    assert ShopAuthorization.objects.get(pk=authorization.pk).renewing_until is None


def test_token_renewed_between_the_look_and_the_lease_is_taken(sandbox, authorization, monkeypatch):
    """The refresh token that was read before the lease may be used up: refreshing with it would break the shop."""
    sandbox.post("/settings", rotation_grace_seconds=0)
    late = AuthorizationTokens(ShopAuthorization.objects.get(pk=authorization.pk))
    real_now = timezone.now

    def now_after_the_other_renewed() -> Any:
        monkeypatch.setattr(timezone, "now", real_now)
        AuthorizationTokens(ShopAuthorization.objects.get(pk=authorization.pk)).renew(
            rejected=authorization.access_token
        )
        return real_now()

    monkeypatch.setattr(timezone, "now", now_after_the_other_renewed)
    sandbox.post("/calls/reset")
    assert late.renew(rejected=authorization.access_token) != authorization.access_token
    assert calls(sandbox, REFRESH) == 1


def test_many_threads_renew_once(shared_database, sandbox):
    shop = assemble(sandbox).shopify.shop
    sandbox.post("/settings", rotation_grace_seconds=0)
    expire(sandbox, kind="access")
    rejected = shop.authorization.access_token

    def renew(number: int) -> str:
        return AuthorizationTokens(ShopAuthorization.objects.get(pk=shop.authorization_id)).renew(rejected=rejected)

    renewed = in_threads(12, renew)
    assert calls(sandbox, REFRESH) == 1
    stored = ShopAuthorization.objects.get(pk=shop.authorization_id)
    assert set(renewed) == {stored.access_token}
    assert stored.access_token != rejected
    assert stored.renewing_until is None
    assert tiktok_for(Shop.objects.get(pk=shop.pk)).warehouses()


def test_lease_of_a_dead_worker_is_taken_over_when_it_ends(sandbox, authorization, clock, monkeypatch):
    ShopAuthorization.objects.update(renewing_until=clock.now() + connections.RENEWAL_LEASE)
    monkeypatch.setattr(connections, "RENEWAL_LOOKS", 2)
    tokens = AuthorizationTokens(authorization)
    sandbox.post("/calls/reset")
    with pytest.raises(TemporaryError, match="Another worker's renewal did not end"):
        tokens.renew(rejected=authorization.access_token)
    assert calls(sandbox, REFRESH) == 0
    clock.advance(seconds=61)
    assert tokens.renew(rejected=authorization.access_token)
    assert calls(sandbox, REFRESH) == 1


def test_who_waits_for_another_worker_s_renewal_waits_for_a_remote(authorization, monkeypatch):
    """A worker begins other returns meanwhile."""
    ShopAuthorization.objects.update(renewing_until=timezone.now() + connections.RENEWAL_LEASE)
    slept: list[bool] = []

    def sleep(seconds: float) -> None:
        slept.append(threading.get_ident() in threads_that_wait())

    monkeypatch.setattr(connections, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(connections, "RENEWAL_LOOKS", 2)
    with pytest.raises(TemporaryError):
        AuthorizationTokens(authorization).renew(rejected=authorization.access_token)
    assert (slept, threads_that_wait()) == ([True, True], set())


@pytest.mark.parametrize(
    ("kind", "error"), [("drop_before", TemporaryError), ("html", Exception), ("empty", Exception)]
)
def test_failed_renewal_leaves_the_tokens_and_the_lease_free(sandbox, authorization, kind, error):
    before = tokens_of(authorization)
    sandbox.post("/faults", remote="tiktok", kind=kind, path_contains="/token/refresh")
    with pytest.raises(error):
        AuthorizationTokens(authorization).renew(rejected=authorization.access_token)
    stored = ShopAuthorization.objects.get(pk=authorization.pk)
    assert tokens_of(stored) == before
    assert (stored.renewing_until, stored.broken_at) == (None, None)
    assert AuthorizationTokens(stored).renew(rejected=stored.access_token)


def test_dead_refresh_token_is_a_matter_for_the_merchant(sandbox, cast, authorization):
    expire(sandbox, kind="all")
    with pytest.raises(ConfigurationError) as caught:
        tiktok_for(cast.shopify.shop).warehouses()
    mark_broken(authorization, error=caught.value)
    authorization.refresh_from_db()
    assert authorization.broken_reason == "TOKEN_REJECTED"
    assert authorization.renewing_until is None


def test_renewal_does_not_overwrite_a_new_authorization(sandbox, authorization, monkeypatch):
    """The merchant authorizes again while a refresh is under way: its tokens are the newer."""
    auth = connections.tiktok_auth()

    class Interrupted:
        def refresh_token(self, refresh_token: str) -> Any:
            grant = auth.refresh_token(refresh_token)
            ShopAuthorization.objects.update(access_token="new-grant", refresh_token="new", renewing_until=None)
            return grant

    monkeypatch.setattr(connections, "tiktok_auth", Interrupted)
    assert AuthorizationTokens(authorization).renew(rejected=authorization.access_token) == "new-grant"
    assert tokens_of(ShopAuthorization.objects.get(pk=authorization.pk)) == ("new-grant", "new")


# ReBound


def test_first_token_is_fetched_and_kept(sandbox, cast):
    account = ReboundAccount.objects.get(pk=cast.shopify.shop.rebound_account_id)
    assert account.access_token == ""
    sandbox.post("/calls/reset")
    for _ in range(2):
        assert rebound_for(account).find_sales_orders(client_order_id="nothing") == ()
    assert calls(sandbox, TOKEN) == 1
    stored = ReboundAccount.objects.get(pk=account.pk)
    assert stored.access_token == account.access_token != ""
    assert stored.access_token_expires_at > timezone.now() + timedelta(minutes=30)


def test_rejected_rebound_token_is_renewed_once(sandbox, cast):
    account = ReboundAccount.objects.get(pk=cast.shopify.shop.rebound_account_id)
    rebound_for(account).find_sales_orders(client_order_id="nothing")
    before = account.access_token
    stale = ReboundAccount.objects.get(pk=account.pk)
    expire(sandbox, client_id=account.client_id)
    assert rebound_for(account).find_sales_orders(client_order_id="nothing") == ()
    assert rebound_for(stale).find_sales_orders(client_order_id="nothing") == ()
    assert calls(sandbox, TOKEN) == 1
    assert ReboundAccount.objects.get(pk=account.pk).access_token != before


def test_token_endpoint_that_does_not_work_is_not_asked_for_a_while(sandbox, cast):
    """Each call to one that never answers would hold a thread for as long as it may take."""
    account = ReboundAccount.objects.get(pk=cast.shopify.shop.rebound_account_id)
    sandbox.post("/faults", remote="rebound", kind="status", status=500, path_contains="/oauth2/token", times=99)
    sandbox.post("/calls/reset")

    def asks() -> None:
        rebound_for(account, circuit=circuit_of(account)).find_sales_orders(client_order_id="nothing")

    for _ in range(FAILURES):
        with pytest.raises(TemporaryError):
            asks()
    with pytest.raises(CircuitOpenError):
        asks()
    assert calls(sandbox, TOKEN) == FAILURES


def test_client_secret_replaced_meanwhile_is_used(sandbox, cast):
    stale = ReboundAccount.objects.get(pk=cast.shopify.shop.rebound_account_id)
    right = stale.client_secret
    stale.client_secret = "wrong and old"
    assert rebound_for(stale).find_sales_orders(client_order_id="nothing") == ()
    assert stale.client_secret == right


def test_wrong_client_secret_breaks_the_account(sandbox, cast):
    account = ReboundAccount.objects.get(pk=cast.shopify.shop.rebound_account_id)
    account.client_secret = "wrong-and-recognizable"
    account.save()
    with pytest.raises(ConfigurationError) as caught:
        rebound_for(account).find_sales_orders(client_order_id="nothing")
    mark_broken(account, error=caught.value)
    account.refresh_from_db()
    assert account.broken_reason == "CREDENTIALS_REFUSED"
    assert account.broken_at is not None
    assert "wrong-and-recognizable" not in account.last_error


# What is told


def test_no_secret_reaches_a_log(sandbox, cast, authorization, caplog, settings):
    caplog.set_level(logging.DEBUG)
    account = ReboundAccount.objects.get(pk=cast.shopify.shop.rebound_account_id)
    expire(sandbox, kind="access")
    tiktok_for(cast.shopify.shop).warehouses()
    rebound_for(account).find_sales_orders(client_order_id="nothing")
    expire(sandbox, kind="all")
    with pytest.raises(ConfigurationError) as caught:
        tiktok_for(Shop.objects.get(pk=cast.shopify.shop.pk)).warehouses()
    mark_broken(authorization, error=caught.value)
    renewed = ShopAuthorization.objects.get(pk=authorization.pk)
    account.refresh_from_db()
    secrets = [*tokens_of(authorization), *tokens_of(renewed), account.access_token, account.client_secret]
    secrets += [settings.TIKTOK_APP_SECRET, cast.shopify.shop.cipher]
    # urllib3's own debug lines are switched off in the settings, since they carry the query.
    told = "\n".join(str(vars(record)) for record in caplog.records if not record.name.startswith("urllib3"))
    assert {"remote call", "renewed the TikTok token", "connection broken"} <= {r.message for r in caplog.records}
    assert [secret for secret in secrets if not secret or secret in told] == []
    assert [secret for secret in secrets if secret in str(caught.value) + repr(caught.value)] == []
    assert logging.getLogger("urllib3").level == logging.WARNING


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigurationError(vendor="tiktok", code="105002"), "TOKEN_REJECTED"),
        (ConfigurationError(vendor="tiktok", code="36004001"), "TOKEN_REJECTED"),
        (TokenRejectedError(vendor="tiktok", code="36009004"), "TOKEN_REJECTED"),
        (ConfigurationError(vendor="tiktok", code="105005"), "SCOPE_MISSING"),
        (ConfigurationError(vendor="tiktok", code="106011"), "REFUSED"),
        (ConfigurationError(vendor="tiktok", status=403), "REFUSED"),
    ],
)
def test_broken_authorization_says_why(db, error, reason):
    authorization, other = ShopAuthorizationFactory(), ShopAuthorizationFactory()
    mark_broken(authorization, error=error)
    authorization.refresh_from_db()
    other.refresh_from_db()
    assert (authorization.broken_reason, authorization.last_error) == (reason, str(error))
    assert other.broken_at is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "CREDENTIALS_REFUSED"), (401, "CREDENTIALS_REFUSED"), (403, "REFUSED"), (None, "REFUSED")],
)
def test_broken_account_says_why(db, status, reason):
    account = ReboundAccountFactory()
    mark_broken(account, error=ConfigurationError(vendor="rebound", status=status))
    account.refresh_from_db()
    assert account.broken_reason == reason


def test_first_reason_stays(db):
    authorization = ShopAuthorizationFactory(broken_at=timezone.now(), broken_reason="DEAUTHORIZED")
    mark_broken(authorization, error=ConfigurationError(vendor="tiktok", code="105002"))
    authorization.refresh_from_db()
    assert (authorization.broken_reason, authorization.last_error) == ("DEAUTHORIZED", "")


def a_refusal(*, just_given: bool = True) -> TokenRejectedError:
    error = TokenRejectedError(vendor="tiktok", code="105002")
    error.just_given = just_given
    return error


def test_doubted_token_is_renewed_before_it_is_used(sandbox, authorization):
    sandbox.post("/calls/reset")
    assert mark_broken(authorization, error=a_refusal()) is False
    held = ShopAuthorization.objects.get(pk=authorization.pk)
    assert (held.access_token, held.broken_at) == (authorization.access_token, None)
    renewed = AuthorizationTokens(held).current()
    assert renewed != authorization.access_token
    # A worker that still holds an older one asks as well, and finds what was renewed.
    assert AuthorizationTokens(authorization).renew(rejected="older") == renewed
    assert calls(sandbox, REFRESH) == 1


def test_refusal_long_after_another_is_doubted_anew(db, clock):
    """Of a shop for which no call was made in between."""
    authorization = ShopAuthorizationFactory()
    assert mark_broken(authorization, error=a_refusal()) is False
    clock.advance(minutes=11)
    assert mark_broken(authorization, error=a_refusal()) is False
    clock.advance(minutes=2)
    assert mark_broken(authorization, error=a_refusal()) is True


def test_call_that_works_ends_the_doubt_that_it_knew_of(cast, authorization):
    first, second = timezone.now() - timedelta(seconds=30), timezone.now()
    ShopAuthorization.objects.update(refused_since=first)
    shop = Shop.objects.select_related("authorization").get(pk=cast.shopify.shop.pk)
    ShopAuthorization.objects.update(refused_since=second)  # it began anew since the shop was read
    assert tiktok_for(shop).warehouses()
    assert ShopAuthorization.objects.get(pk=authorization.pk).refused_since == second
    assert tiktok_for(Shop.objects.get(pk=shop.pk)).warehouses()
    assert ShopAuthorization.objects.get(pk=authorization.pk).refused_since is None


def test_doubt_ends_with_what_is_certain(db):
    authorization = ShopAuthorizationFactory()
    assert mark_broken(authorization, error=a_refusal()) is False
    assert mark_broken(authorization, error=a_refusal(just_given=False)) is True
    authorization.refresh_from_db()
    assert (authorization.broken_reason, authorization.refused_since) == ("TOKEN_REJECTED", None)


def test_refusal_of_a_former_authorization_leaves_the_new_one_its_token(db):
    former = ShopAuthorizationFactory()
    ShopAuthorization.objects.update(authorized_at=former.authorized_at + timedelta(minutes=1))
    mark_broken(former, error=a_refusal())
    new = ShopAuthorization.objects.get()
    assert (new.refused_since, new.access_token_expires_at) == (None, former.access_token_expires_at)


def test_failure_of_a_former_authorization_does_not_break_the_new_one(db):
    former = ShopAuthorizationFactory()
    ShopAuthorization.objects.update(authorized_at=former.authorized_at + timedelta(minutes=1))
    mark_broken(former, error=ConfigurationError(vendor="tiktok", code="105002"))
    former.refresh_from_db()
    assert former.broken_at is None

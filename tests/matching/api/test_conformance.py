"""The conformance page: who may see it, and that it says what was wrong and what it cost."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from matching.models import OrderPush
from merchants.api_access import add_secret, revoke_client, revoke_secret
from merchants.models import ApiSecret
from tests.conftest import Clock
from tests.factories import MatchFactory, ShopFactory
from tests.matching.api.conftest import ROOT, Oms, order

PAGE = "/docs/conformance"


def sign_in(oms: Oms, *, secret: str = "", client: Client | None = None, **more: Any) -> tuple[Client, Any]:
    client = client or Client()
    form = {"client_id": oms.client.client_id, "client_secret": secret or oms.secret.plain}
    return client, client.post(f"{PAGE}/sign-in", form, follow=True, **more)


def page(client: Client, query: str = "") -> str:
    return client.get(PAGE + query).content.decode()


def lacking(oms: Oms, reason: str, order_id: str) -> Any:
    return MatchFactory(
        shop=ShopFactory(merchant=oms.merchant),
        outcome="NO_MATCH",
        reason=reason,
        sales_order=None,
        external_order_id=order_id,
    )


def test_what_was_pushed_what_was_wrong_and_what_it_cost(oms: Oms) -> None:
    oms.push(order())
    oms.call("POST", f"{ROOT}:batch", [order("A"), order("bad<b>", clientMetadata={"omsOrderId": "worse"})])
    oms.push(b"{")
    missing = lacking(oms, "ORDER_NOT_SYNCED", "SO-404")
    client, answer = sign_in(oms)
    said = answer.content.decode()
    assert (answer.status_code, answer["Cache-Control"].split(", ")[-1]) == (200, "private")
    for text in (
        "Your latest pushes held 3 orders.\n  2 were rejected.",
        '1 created, 0 changed, 0 unchanged, 0 outdated, <strong class="bad">1 rejected',
        "bad&lt;b&gt;",
        "/clientMetadata/omsOrderId",
        "worse",
        "clientMetadata.omsOrderId equals clientOrderId.",
        "Send the external order id that TikTok holds in both.",
        "The body could not be read.",
        missing.return_id,
        "SO-404",
        "Push orders as soon as they are final",
    ):
        assert text in said, text
    assert (said.count(">Kept.<"), said.count(">Broken.<")) == (1, 2)
    assert oms.secret.plain not in said + str(dict(client.session))
    only = page(client, "?only=rejected")
    assert (only.count("<article>"), said.count("<article>")) == (2, 3)


def test_one_order_is_told_as_one(oms: Oms) -> None:
    oms.push(order("bad", clientMetadata={"omsOrderId": "worse"}))
    assert "Your latest pushes held 1 order.\n  1 was rejected." in sign_in(oms)[1].content.decode()


def test_findings_are_in_english_as_the_page_is(oms: Oms) -> None:
    oms.push(order("bad", clientMetadata={"omsOrderId": "worse"}))
    client, answer = sign_in(oms, headers={"accept-language": "de"})
    assert "Send the external order id that TikTok holds in both." in answer.content.decode()
    assert "What was wrong" in client.get(PAGE, headers={"accept-language": "de"}).content.decode()


def test_nobody_sees_anothers_pushes_or_returns(oms: Oms, other: Oms) -> None:
    other.push(order("THEIRS", clientMetadata={"omsOrderId": "X"}))
    sibling = Oms(oms.merchant)
    sibling.push(order("SIBLING", clientMetadata={"omsOrderId": "X"}))
    theirs = lacking(other, "ORDER_NOT_SYNCED", "SO-THEIRS")
    client, _ = sign_in(oms)
    last = OrderPush.objects.latest("pk").pk
    for query in ("", "?only=rejected", f"?before={last + 1}"):
        said = page(client, query)
        assert [each for each in ("THEIRS", "SIBLING", theirs.return_id) if each in said] == []


def test_without_signing_in_there_is_the_form_alone(oms: Oms) -> None:
    oms.push(order("MINE", clientMetadata={"omsOrderId": "X"}))
    said = page(Client())
    assert ("client_secret" in said, "MINE" in said) == (True, False)


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        ("", ""),
        ("right", "guess-77"),
        ("wrong", "right"),
        ("right", "\x00"),
        ("ü" * 300, "right"),
        ("right", "other's"),
    ],
)
def test_wrong_credentials_are_refused_and_not_repeated(oms: Oms, other: Oms, client_id: str, secret: str) -> None:
    form = {
        "client_id": {"right": oms.client.client_id}.get(client_id, client_id),
        "client_secret": {"right": oms.secret.plain, "other's": other.secret.plain}.get(secret, secret),
    }
    client = Client()
    answer = client.post(f"{PAGE}/sign-in", form)
    assert (answer.status_code, "are wrong, or were revoked" in answer.content.decode()) == (403, True)
    assert not form["client_secret"] or form["client_secret"] not in answer.content.decode()
    assert "oms_developer" not in client.session


def test_tries_are_limited_by_address_and_by_client(oms: Oms, other: Oms) -> None:
    def tries(who: Oms, address: str, secret: str) -> int:
        return int(sign_in(who, secret=secret, REMOTE_ADDR=address)[1].status_code)

    assert [tries(oms, "192.0.2.1", "guess-77") for _ in range(11)] == [403] * 10 + [429]
    assert tries(other, "192.0.2.1", other.secret.plain) == 429  # the same address
    assert tries(oms, "192.0.2.2", oms.secret.plain) == 429  # the same client
    assert tries(other, "192.0.2.2", other.secret.plain) == 200


@pytest.mark.parametrize("ends", ["secret", "client", "time", "sign out"])
def test_a_session_ends(oms: Oms, ends: str, clock: Clock) -> None:
    client, _ = sign_in(oms)
    assert "Sign out" in page(client)
    if ends == "secret":
        revoke_secret(ApiSecret.objects.get(client=oms.client), now=timezone.now())
        add_secret(oms.client, now=timezone.now())
    elif ends == "client":
        revoke_client(oms.client, now=timezone.now())
    elif ends == "time":
        clock.advance(hours=8, seconds=1)
    else:
        client.post(f"{PAGE}/sign-out")
    assert "Sign out" not in page(client)


def test_forms_carry_a_token_and_a_sign_in_gets_a_new_session(oms: Oms) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert sign_in(oms, client=strict)[1].status_code == 403
    client = Client()
    client.session["x"] = 1
    session = client.session
    session["x"] = 1
    session.save()
    before = session.session_key
    sign_in(oms, client=client)
    assert client.session.session_key != before
    for path in ("sign-in", "sign-out"):  # typed, or kept by a browser
        assert client.get(f"{PAGE}/{path}")["Location"] == PAGE
    assert "Sign out" in page(client)


def test_pages_of_pushes(oms: Oms) -> None:
    for number in range(30):
        oms.push(order(f"SO-{number}"))
    client, _ = sign_in(oms)
    first = page(client)
    assert first.count("<article>") == 25
    (older,) = [part.partition('"')[0] for part in first.split("?before=")[1:]]
    assert page(client, f"?before={older}").count("<article>") == 5
    for wrong in ("x", "-1", "9" * 40, "%00", "\u0663"):
        assert page(client, f"?before={wrong}").count("<article>") == 25


def test_the_page_costs_the_same_with_one_push_and_with_three(oms: Oms) -> None:
    bad = order("bad", clientMetadata={"omsOrderId": "worse"})
    client, _ = sign_in(oms)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(client)
        return len(captured)

    oms.push(bad)
    lacking(oms, "ORDER_NOT_SYNCED", "A")
    one = queries()
    for number in range(2):
        oms.push(bad)
        lacking(oms, "ORDER_NOT_SYNCED", f"B{number}")
    assert queries() == one <= 12

"""An OMS's credentials in the admin: shown once, rotated with an overlap, revoked at once."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from merchants.api_access import AccessDeniedError, create_client, verify_secret
from merchants.models import ApiClient, AuditEntry, Merchant
from tests.factories import MerchantFactory

pytestmark = pytest.mark.django_db


def shown(answer: Any) -> dict[str, str]:
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    return dict(answer.context["secret"])


def act(client: Client, oms: ApiClient, name: str, **sent: Any) -> Any:
    return client.post(reverse(f"admin:merchants_apiclient_{name}", args=[oms.pk]), sent)


@pytest.fixture
def merchant() -> Merchant:
    made: Merchant = MerchantFactory()
    return made


def test_client_is_made_and_its_secret_shown_once(admin_client: Client, merchant: Merchant) -> None:
    sent = {"merchant": merchant.pk, "name": "Quay OMS", "scopes": ["orders:write"]}
    told = shown(admin_client.post(reverse("admin:merchants_apiclient_add"), sent))
    secret = verify_secret(client_id=told["client_id"], client_secret=told["client_secret"])
    assert (secret.client.merchant, secret.client.name, secret.client.scopes) == (
        merchant,
        "Quay OMS",
        ["orders:write"],
    )
    for address in ("changelist", "change"):
        keys = [secret.client.pk] if address == "change" else []
        page = admin_client.get(reverse(f"admin:merchants_apiclient_{address}", args=keys)).content.decode()
        assert told["client_secret"] not in page
        assert secret.digest not in page
    assert AuditEntry.objects.get().act == "Added"
    assert told["client_secret"] not in str(AuditEntry.objects.values().get())


def test_secret_is_rotated_with_an_overlap(admin_client: Client, merchant: Merchant) -> None:
    oms, first = create_client(merchant=merchant, name="OMS", scopes=["orders:write"], now=timezone.now())
    told = shown(act(admin_client, oms, "another_secret", reason="Yearly"))
    for plain in (first.plain, told["client_secret"]):
        verify_secret(client_id=oms.client_id, client_secret=plain)
    old = oms.secrets.order_by("pk").first()
    assert act(admin_client, oms, "revoke_a_secret", secret=old.pk, reason="Yearly").status_code == 302
    with pytest.raises(AccessDeniedError):
        verify_secret(client_id=oms.client_id, client_secret=first.plain)
    verify_secret(client_id=oms.client_id, client_secret=told["client_secret"])
    assert list(AuditEntry.objects.order_by("pk").values_list("act", "reason")) == [
        ("Added a secret", "Yearly"),
        ("Revoked a secret", "Yearly"),
    ]


def test_client_is_revoked_for_good(admin_client: Client, merchant: Merchant) -> None:
    oms, first = create_client(merchant=merchant, name="OMS", scopes=["orders:write"], now=timezone.now())
    assert act(admin_client, oms, "revoke", reason="Left").status_code == 302
    with pytest.raises(AccessDeniedError):
        verify_secret(client_id=oms.client_id, client_secret=first.plain)
    assert "was revoked" in act(admin_client, oms, "another_secret", reason="x").content.decode()
    assert oms.secrets.count() == 1


def test_secret_of_another_client_is_no_choice(admin_client: Client, merchant: Merchant) -> None:
    oms, _ = create_client(merchant=merchant, name="OMS", scopes=[], now=timezone.now())
    other, plain = create_client(merchant=MerchantFactory(), name="Other", scopes=[], now=timezone.now())
    answer = act(admin_client, oms, "revoke_a_secret", secret=other.secrets.get().pk, reason="x")
    assert list(answer.context["form"].errors) == ["secret"]
    verify_secret(client_id=other.client_id, client_secret=plain.plain)


def test_client_is_renamed_and_keeps_its_merchant_and_id(admin_client: Client, merchant: Merchant) -> None:
    oms, _ = create_client(merchant=merchant, name="OMS", scopes=["orders:write"], now=timezone.now())
    sent = {"name": "New name", "scopes": ["orders:read"], "merchant": MerchantFactory().pk, "client_id": "x"}
    forms = {"secrets-TOTAL_FORMS": 0, "secrets-INITIAL_FORMS": 0}
    page = reverse("admin:merchants_apiclient_change", args=[oms.pk])
    assert admin_client.post(page, {**sent, **forms}).status_code == 302
    saved = ApiClient.objects.get()
    assert (saved.name, saved.scopes, saved.merchant, saved.client_id) == (
        "New name",
        ["orders:read"],
        merchant,
        oms.client_id,
    )

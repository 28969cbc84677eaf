"""Every stored secret gets the newest key, whatever happens meanwhile; only then may the old key go."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from merchants import key_rotation
from merchants.encryption import CannotDecryptError
from merchants.key_rotation import columns, keys_in_use, reencrypt
from merchants.models import ReboundAccount, ShopAuthorization
from returns.models import TikTokReturn
from tests.factories import ADDRESS, ReboundAccountFactory, ShopAuthorizationFactory, TikTokReturnFactory

pytestmark = pytest.mark.django_db
NEW = b"n" * 32


@pytest.fixture
def old_rows(settings: Any) -> None:
    """Rows sealed with the key of before, and a newer key in front of it."""
    for number in range(5):
        ShopAuthorizationFactory(access_token=f"token-{number}")
    ReboundAccountFactory(client_secret="kept apart", access_token="")
    TikTokReturnFactory(buyer_address=ADDRESS)
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW, **settings.FIELD_ENCRYPTION_KEYS}


def run(**options: Any) -> list[str]:
    out = io.StringIO()
    call_command("reencrypt_fields", stdout=out, **options)
    return out.getvalue().splitlines()


def test_every_encrypted_column_is_known():
    found = {str(column) for column in columns()}
    assert {
        "merchants.shopauthorization.access_token",
        "merchants.shopauthorization.refresh_token",
        "merchants.reboundaccount.client_secret",
        "matching.salesorder.customer_address",
        "returns.tiktokreturn.buyer_address",
    } <= found


def test_old_key_can_go_afterwards(old_rows, settings):
    lines = run(batch=2)
    assert "merchants.shopauthorization.access_token: 6 re-encrypted" in lines
    assert [line for line in lines if line.startswith("key t")] == [
        "key t0: 0 values (may be taken out)",
        "key t1: 0 values (may be taken out)",
    ]
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW}
    assert {row.access_token for row in ShopAuthorization.objects.all()} >= {"token-0", "token-4"}
    account = ReboundAccount.objects.order_by("pk").first()
    assert (account.client_secret, account.access_token) == ("kept apart", "")
    assert TikTokReturn.objects.get().buyer_address == ADDRESS


def test_a_run_that_was_stopped_goes_on(old_rows):
    column = next(each for each in columns() if str(each) == "merchants.shopauthorization.access_token")
    batches = reencrypt(column, batch=2)
    assert next(batches) == 2
    batches.close()
    assert list(reencrypt(column, batch=2)) == [2, 2]
    assert list(reencrypt(column, batch=2)) == []


def test_value_that_is_written_meanwhile_is_left_alone(old_rows, monkeypatch):
    column = next(each for each in columns() if str(each) == "merchants.shopauthorization.access_token")
    row = ShopAuthorization.objects.order_by("pk").first()
    original = key_rotation.seal

    def renewed_by_a_worker(plain: bytes, *, context: str) -> bytes:
        if plain == b"token-0":
            ShopAuthorization.objects.filter(pk=row.pk).update(access_token="renewed")
        return original(plain, context=context)

    monkeypatch.setattr(key_rotation, "seal", renewed_by_a_worker)
    assert sum(reencrypt(column)) == 5
    row.refresh_from_db()
    assert row.access_token == "renewed"


def test_value_of_an_unknown_key_stops_the_run_and_is_named(old_rows, settings):
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW}
    with pytest.raises(CommandError, match="encrypted with key 't1'"):
        run()
    assert "key t1: 16 values (unknown: values are unreadable without it)" in run(check=True)
    with pytest.raises(CannotDecryptError):
        ShopAuthorization.objects.first()


def test_keys_are_counted_across_columns(old_rows):
    assert keys_in_use() == {"new": 0, "t1": 16, "t0": 0}

"""Encryption at rest: what opens, what does not and with which words, and that the database never sees plain text."""

import base64
from typing import Any

import pytest
from django.core import serializers
from django.db import connection

from merchants.encryption import CannotDecryptError, seal, unseal
from merchants.models import ReboundAccount
from returns.models import TikTokReturn
from tests.factories import ReboundAccountFactory, SalesOrderFactory, TikTokReturnFactory

OLD, NEW = b"o" * 32, b"n" * 32
CONTEXT = "merchants.reboundaccount.client_secret"
SECRET = "a secret that nobody reads: ünï 🔑"


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW, "old": OLD}


def raw(table: str, column: str, key: int) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE id = %s", [key])  # noqa: S608  # our own names
        return bytes(cursor.fetchone()[0])


def store_raw(table: str, column: str, key: int, value: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, key])  # noqa: S608


def test_sealed_bytes_open_again():
    assert unseal(seal(b"plain", context=CONTEXT), context=CONTEXT) == b"plain"


def test_same_text_is_sealed_differently_each_time():
    assert seal(b"plain", context=CONTEXT) != seal(b"plain", context=CONTEXT)


def test_newest_key_seals():
    sealed = seal(b"plain", context=CONTEXT)
    assert sealed[:4] == b"\x03new"
    assert b"plain" not in sealed


def test_value_of_an_older_key_still_opens(settings):
    settings.FIELD_ENCRYPTION_KEYS = {"old": OLD}
    sealed = seal(b"plain", context=CONTEXT)
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    assert unseal(sealed, context=CONTEXT) == b"plain"


def test_value_of_a_key_that_is_gone_says_which(settings):
    sealed = seal(b"plain", context=CONTEXT)
    settings.FIELD_ENCRYPTION_KEYS = {"old": OLD}
    with pytest.raises(CannotDecryptError) as caught:
        unseal(sealed, context=CONTEXT)
    assert str(caught.value) == f"{CONTEXT} was encrypted with key 'new', which FIELD_ENCRYPTION_KEYS does not hold."


def test_other_key_under_the_same_name_does_not_open(settings):
    sealed = seal(b"plain", context=CONTEXT)
    settings.FIELD_ENCRYPTION_KEYS = {"new": OLD}
    with pytest.raises(CannotDecryptError) as caught:
        unseal(sealed, context=CONTEXT)
    assert str(caught.value) == f"{CONTEXT} holds a value that was changed after it was encrypted."


@pytest.mark.parametrize("place", [4, 10, -1])
def test_tampered_value_does_not_open(place):
    sealed = bytearray(seal(b"plain", context=CONTEXT))
    sealed[place] ^= 1
    with pytest.raises(CannotDecryptError):
        unseal(bytes(sealed), context=CONTEXT)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 10, 16, 20])
def test_truncated_value_does_not_open(length):
    with pytest.raises(CannotDecryptError):
        unseal(seal(b"plain", context=CONTEXT)[:length], context=CONTEXT)


@pytest.mark.parametrize("stored", [b"\xff", b"\x02\xff\xfe", b"\x00", b"plain text", bytes(100)])
def test_nonsense_does_not_open(stored):
    with pytest.raises(CannotDecryptError):
        unseal(stored, context=CONTEXT)


def test_value_of_another_field_does_not_open():
    with pytest.raises(CannotDecryptError):
        unseal(seal(b"plain", context="merchants.reboundaccount.access_token"), context=CONTEXT)


def test_text_is_read_as_it_was_written_and_stored_sealed(db):
    account = ReboundAccountFactory(client_secret=SECRET)
    assert ReboundAccount.objects.get().client_secret == SECRET
    stored = raw("merchants_reboundaccount", "client_secret", account.pk)
    assert stored[:4] == b"\x03new"
    assert SECRET.encode() not in stored
    assert base64.b64encode(SECRET.encode()) not in stored
    assert unseal(stored, context=CONTEXT).decode() == SECRET


def test_update_and_bulk_writes_seal_too(db):
    account = ReboundAccountFactory()
    ReboundAccount.objects.update(client_secret="by update")
    assert b"by update" not in raw("merchants_reboundaccount", "client_secret", account.pk)
    assert ReboundAccount.objects.get().client_secret == "by update"
    account.client_secret = "by bulk"
    ReboundAccount.objects.bulk_update([account], ["client_secret"])
    assert b"by bulk" not in raw("merchants_reboundaccount", "client_secret", account.pk)
    assert ReboundAccount.objects.values_list("client_secret", flat=True).get() == "by bulk"
    (second,) = ReboundAccount.objects.bulk_create([ReboundAccountFactory.build(merchant=account.merchant)])
    assert second.client_secret.encode() not in raw("merchants_reboundaccount", "client_secret", second.pk)


def test_empty_text_stays_empty(db):
    account = ReboundAccountFactory(client_secret="")
    assert raw("merchants_reboundaccount", "client_secret", account.pk) == b""
    assert ReboundAccount.objects.get().client_secret == ""


@pytest.mark.parametrize("address", [{"name": "Ada Ökafor", "lines": ["14 Quay Street", None]}, {"name": "\ud800\x00"}])
def test_json_is_read_as_it_was_written_and_stored_sealed(db, address):
    row = TikTokReturnFactory(buyer_address=address)
    assert TikTokReturn.objects.get().buyer_address == address
    stored = raw("returns_tiktokreturn", "buyer_address", row.pk)
    assert stored[:4] == b"\x03new"
    assert b"name" not in stored
    assert b"Quay" not in stored


def test_empty_json_stays_empty(db):
    order = SalesOrderFactory(customer_address={})
    assert raw("matching_salesorder", "customer_address", order.pk) == b""
    order.refresh_from_db()
    assert order.customer_address == {}


def test_row_written_with_an_old_key_is_read_and_sealed_anew_with_the_newest(db, settings):
    settings.FIELD_ENCRYPTION_KEYS = {"old": OLD}
    account = ReboundAccountFactory(client_secret=SECRET)
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    read = ReboundAccount.objects.get()
    assert read.client_secret == SECRET
    read.save()
    assert raw("merchants_reboundaccount", "client_secret", account.pk)[:4] == b"\x03new"
    settings.FIELD_ENCRYPTION_KEYS = {"new": NEW}
    assert ReboundAccount.objects.get().client_secret == SECRET


def test_value_copied_into_another_column_does_not_open(db):
    account = ReboundAccountFactory(client_secret=SECRET)
    copied = raw("merchants_reboundaccount", "client_secret", account.pk)
    store_raw("merchants_reboundaccount", "access_token", account.pk, copied)
    with pytest.raises(CannotDecryptError, match=r"^merchants\.reboundaccount\.access_token holds a value that was"):
        ReboundAccount.objects.get()


def test_plain_text_in_the_column_does_not_open(db):
    account = ReboundAccountFactory()
    store_raw("merchants_reboundaccount", "client_secret", account.pk, b"plain text")
    with pytest.raises(CannotDecryptError):
        ReboundAccount.objects.get()


def test_secret_is_never_serialized(db):
    account = ReboundAccountFactory(client_secret=SECRET)
    with pytest.raises(TypeError) as caught:
        serializers.serialize("json", [account])
    assert str(caught.value) == "merchants.reboundaccount.client_secret is a secret and is not serialized."


def test_no_form_holds_an_encrypted_field():
    secret = {"client_secret", "access_token"}
    assert {field.name for field in ReboundAccount._meta.fields if field.editable}.isdisjoint(secret)

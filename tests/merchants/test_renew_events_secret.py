"""The secret of ReBound's events, from the command line: printed once, two good while one replaces the other."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from merchants.models import ReboundAccount
from merchants.rebound_events import account_of_events, events_secrets
from tests.factories import ReboundAccountFactory

pytestmark = pytest.mark.django_db


def run(account: ReboundAccount, **options: Any) -> dict[str, str]:
    out = io.StringIO()
    call_command("renew_events_secret", account.pk, stdout=out, **options)
    account.refresh_from_db()
    return dict(line.partition("=")[::2] for line in out.getvalue().splitlines())


def test_first_secret_opens_the_address():
    account = ReboundAccountFactory()
    printed = run(account)
    key = printed["address"].rpartition("/webhooks/rebound/")[2]
    assert account_of_events(key) == account
    assert events_secrets(account) == [printed["secret"]]


def test_two_are_good_until_the_older_is_ended():
    account = ReboundAccountFactory()
    first, second = run(account), run(account, given="what ReBound gave")
    assert second == {"address": first["address"], "secret": "what ReBound gave"}
    assert events_secrets(account) == ["what ReBound gave", first["secret"]]
    with pytest.raises(CommandError, match="Two secrets are good already"):
        run(account)
    run(account, end=True)
    assert events_secrets(account) == ["what ReBound gave"]


def test_unknown_account_is_named():
    with pytest.raises(CommandError, match="There is no ReBound account 9"):
        call_command("renew_events_secret", 9)

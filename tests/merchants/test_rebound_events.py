"""Where ReBound sends events and what signs them: made once, renewed with overlap, readable by nobody else."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from merchants.models import ReboundAccount
from merchants.rebound_events import account_of_events, end_former_secret, events_secrets, renew_events_secret
from tests.factories import ReboundAccountFactory

pytestmark = pytest.mark.django_db


def fresh(account: ReboundAccount) -> ReboundAccount:
    return ReboundAccount.objects.get(pk=account.pk)


def test_account_takes_no_events_until_it_has_a_secret():
    account = ReboundAccountFactory()
    assert (account.events_key, events_secrets(account)) == (None, [])
    assert [account_of_events(key) for key in ("", "None", "x")] == [None, None, None]


def test_renewing_keeps_the_address_and_the_secret_before():
    account = ReboundAccountFactory()
    key, first = renew_events_secret(account)
    same, second = renew_events_secret(account, given="one that ReBound gave")
    assert (same, second) == (key, "one that ReBound gave")
    assert events_secrets(fresh(account)) == [second, first]
    assert account_of_events(key) == account
    end_former_secret(account)
    assert events_secrets(fresh(account)) == [second]


def test_secret_is_encrypted_at_rest():
    account = ReboundAccountFactory()
    _, secret = renew_events_secret(account)
    with connection.cursor() as cursor:
        cursor.execute("SELECT events_secret FROM merchants_reboundaccount WHERE id = %s", [account.pk])
        (stored,) = cursor.fetchone()
    assert secret.encode() not in bytes(stored)


def test_command_prints_the_address_and_the_secret_once(capsys):
    account = ReboundAccountFactory()
    call_command("rebound_events", str(account.pk))
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    held = fresh(account)
    assert printed == {"path": f"/webhooks/rebound/{held.events_key}", "secret": held.events_secret}
    call_command("rebound_events", str(account.pk))
    assert events_secrets(fresh(account))[1] == printed["secret"]
    call_command("rebound_events", str(account.pk), "--end-former")
    assert printed["secret"] not in events_secrets(fresh(account))


def test_command_names_an_account_that_is_not_there():
    with pytest.raises(CommandError, match="There is no ReBound account 987654"):
        call_command("rebound_events", "987654")

"""The command that gives an OMS its credentials."""

import pytest
from django.core.management import CommandError, call_command

from merchants.api_access import verify_secret
from merchants.models import ApiClient
from tests.factories import MerchantFactory

pytestmark = pytest.mark.django_db


def printed(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_command_prints_credentials_that_work(capsys):
    merchant = MerchantFactory()
    call_command("create_api_client", str(merchant.pk), "--name", "OMS")
    secret = verify_secret(**printed(capsys.readouterr().out))
    assert (secret.client.merchant, secret.client.name) == (merchant, "OMS")


def test_command_gives_the_scopes_that_were_named(capsys):
    call_command("create_api_client", str(MerchantFactory().pk), "--name", "OMS", "--scope", "orders:read")
    assert ApiClient.objects.get().scopes == ["orders:read"]


def test_command_names_a_merchant_that_is_not_there():
    with pytest.raises(CommandError, match="There is no merchant 987654"):
        call_command("create_api_client", "987654", "--name", "OMS")
    assert ApiClient.objects.count() == 0

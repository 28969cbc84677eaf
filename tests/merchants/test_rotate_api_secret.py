"""The command that adds and ends secrets of a client of the order API."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from merchants.api_access import AccessDeniedError, create_client, grant_token, verify_secret
from merchants.models import ApiClient, ApiScope
from tests.factories import MerchantFactory

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_api_secret", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def made() -> tuple[ApiClient, str]:
    client, secret = create_client(
        merchant=MerchantFactory(), name="OMS", scopes=list(ApiScope.values), now=timezone.now()
    )
    return client, secret.plain


def is_good(client: ApiClient, plain: str) -> bool:
    try:
        return bool(verify_secret(client_id=client.client_id, client_secret=plain))
    except AccessDeniedError:
        return False


def test_two_secrets_live_side_by_side_until_one_is_revoked() -> None:
    client, old = made()
    said = run(client.client_id)
    found = re.search(r"client_secret=(\S+)", said)
    assert found is not None
    new = found[1]
    assert [is_good(client, each) for each in (old, new)] == [True, True]
    assert "last used" not in said
    grant_token(verify_secret(client_id=client.client_id, client_secret=new), scopes=[], now=timezone.now())
    said = run(client.client_id, "--revoke", old)
    assert [is_good(client, each) for each in (old, new)] == [False, True]
    assert ("last used" in said, old in said, new in said) == (True, False, False)


def test_a_client_ends_with_all_of_its_secrets() -> None:
    client, secret = made()
    run(client.client_id, "--revoke-client")
    assert not is_good(client, secret)


def test_what_is_not_there_is_said() -> None:
    client, _ = made()
    _, of_another = made()
    for arguments in (("oms_nobody",), (client.client_id, "--revoke", of_another)):
        with pytest.raises(CommandError, match="no"):
            run(*arguments)
    assert is_good(ApiClient.objects.exclude(pk=client.pk).get(), of_another)

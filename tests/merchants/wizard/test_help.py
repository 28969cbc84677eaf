"""The help page: whom to write to, for whoever asks."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from merchants.models import Merchant, StaffAssignment
from merchants.staff import Role
from tests.factories import ShopFactory
from tests.merchants.wizard.conftest import SignIn

pytestmark = pytest.mark.django_db


def looks_after(merchant: Merchant, name: str, *, role: Role = Role.MANAGER, **person: Any) -> None:
    user = User.objects.create_user(f"sign-in-of-{name}", first_name=name, is_staff=True, **person)
    user.groups.add(Group.objects.get(name=role))
    StaffAssignment.objects.create(user=user, merchant=merchant)


def page(client: Client) -> str:
    return client.get("/help").content.decode()


def test_merchant_sees_who_looks_after_it_and_nobody_elses(signed_in_as: SignIn) -> None:
    mine, theirs = ShopFactory().merchant, ShopFactory().merchant
    looks_after(mine, "Mona", email="mona@rebound.example")
    looks_after(mine, "Nemo")
    looks_after(mine, "", email="")  # nothing to tell but the name of signing in
    looks_after(mine, "Gone", is_active=False)
    looks_after(mine, "Looker", role=Role.VIEWER)
    looks_after(theirs, "Theirs", email="theirs@rebound.example")
    said = page(signed_in_as(mine))
    assert '<li>Mona <a href="mailto:mona@rebound.example">mona@rebound.example</a></li>' in said
    assert "<li>Nemo</li>" in said
    assert [each for each in ("Gone", "Looker", "Theirs", "sign-in-of") if each in said] == []
    assert '<a class="button" href="/">Back to your shops</a>' in said
    assert "Mona" not in page(Client())


def test_address_of_the_installation_is_shown_to_everybody(client: Client, settings: Any) -> None:
    settings.SUPPORT_EMAIL = "support@rebound.example"
    said = page(client)
    assert '<a href="mailto:support@rebound.example">support@rebound.example</a>' in said
    assert '<a class="button" href="/">To the start</a>' in said


def test_page_that_knows_nobody_says_so(client: Client) -> None:
    said = page(client)
    assert ("This page knows no address to write to yet." in said, "mailto:" in said) == (True, False)

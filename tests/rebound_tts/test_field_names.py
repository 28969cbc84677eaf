"""The admin's pages call our models and their fields by German names."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils import translation

from rebound_tts.field_names import NAMES, OURS, translate_names
from rebound_tts.sidebar import navigation


def named() -> set[str]:
    """What Django calls each model that has a page, or a place on one, and each of its fields."""
    translate_names()
    models: list[Any] = [page.model for page in admin.site._registry.values()]
    models += [inline.model for page in admin.site._registry.values() for inline in page.inlines]
    found = set()
    with translation.override("en"):
        for model in models:
            if model._meta.app_label in OURS:
                found |= {str(model._meta.verbose_name), str(model._meta.verbose_name_plural)}
                found |= {str(field.verbose_name) for field in model._meta.local_fields}
    return found


def test_every_model_and_field_of_a_page_is_marked_and_no_other() -> None:
    assert named() - {"ID"} == NAMES


@pytest.mark.django_db
def test_a_page_is_german_for_whoever_reads_german(admin_client: Client) -> None:
    german = admin_client.get("/admin/merchants/merchant/add/", headers={"accept-language": "de"}).content.decode()
    assert "Händler hinzufügen" in german
    english = admin_client.get("/admin/merchants/merchant/add/", headers={"accept-language": "en"}).content.decode()
    assert "Add merchant" in english


@pytest.mark.django_db
def test_pages_are_called_what_the_sidebar_calls_them(admin_client: Client) -> None:
    """But for presets of the list of returns, and where a name is longer than its entry."""
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get()
    entries = [entry for group in navigation(request) for entry in group["items"] if "?" not in entry["link"]]
    lists = {entry["title"]: entry["link"] for entry in entries if entry["link"] != "/admin/"}
    assert len(lists) > 20
    for title, link in lists.items():
        page = admin_client.get(link).content.decode()
        assert f">{title}</" in re.sub(r"\s*(<|>)\s*", r"\1", page.partition("<h1")[2].partition("</h1>")[0]), title


@pytest.mark.parametrize(
    ("model", "field", "name"),
    [
        ("returns.reboundreturn", "rebound_id", "ReBound id"),
        ("returns.stepattempt", "tiktok_return", "TikTok return"),
        ("matching.salesorder", "oms_order_id", "OMS order id"),
        ("matching.salesorderitem", "sku", "SKU"),
        ("matching.salesorderitem", "hs_code", "HS code"),
    ],
)
def test_names_are_spelled_as_people_spell_them(model: str, field: str, name: str) -> None:
    translate_names()
    assert str(apps.get_model(model)._meta.get_field(field).verbose_name) == name

"""The admin's pages call our models and their fields by German names."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import translation

from rebound_tts.field_names import NAMES, OURS, translate_names


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

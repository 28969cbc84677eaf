"""The walk over the admin is worth something: an admin that leaks, in any of the ways there are, is found by it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import models
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.test import override_settings
from django.urls import URLPattern, path
from django.utils import timezone

from matching.admin import SalesOrderAdmin
from matching.models import SalesOrder
from merchants.admin import AuditEntryAdmin
from merchants.models import AuditEntry, Merchant
from merchants.staff import Role
from rebound_tts import urls
from returns.admin.bulk_views import BulkRunAdmin
from returns.admin.tiktok_returns import TikTokReturnAdmin
from returns.models import BulkRun, TikTokReturn, Trial
from tests.rebound_tts.test_admin import UNSEEN, signed_in, staff, tenant_admins, walk
from tests.rebound_tts.test_admin import other as other
from tests.rebound_tts.test_admin import own as own

pytestmark = pytest.mark.django_db


class Unscoped(admin.ModelAdmin):
    """As Django makes it: nothing asks whose a row is."""


class ListsAll(BulkRunAdmin):
    def get_queryset(self, request: Any) -> Any:
        return self.model._default_manager.all()


class HasAPageOfItsOwn(SalesOrderAdmin):
    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.told)
        return [path("<int:key>/told/", page, name="matching_salesorder_told"), *super().get_urls()]

    def told(self, request: Any, key: int) -> HttpResponse:
        return HttpResponse(get_object_or_404(SalesOrder, pk=key).external_order_id)


class HasAnAct(TikTokReturnAdmin):
    actions = (*TikTokReturnAdmin.actions, "tell")

    @admin.action(description="Tell")
    def tell(self, request: Any, queryset: Any) -> None:
        chosen = TikTokReturn.objects.filter(pk__in=request.POST.getlist("_selected_action"))
        self.message_user(request, ", ".join(row.return_id for row in chosen))


class SearchesAll(AuditEntryAdmin):
    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        found = AuditEntry.objects.filter(actor_name=search_term).order_by("pk") if search_term else queryset
        return found, False


@pytest.fixture
def registered() -> Iterator[Callable[[type[models.Model], type[admin.ModelAdmin]], Any]]:
    """Register an admin in place of the model's own, with its addresses, until the test ends."""
    before = dict(admin.site._registry)
    with ExitStack() as stack:

        def register(model: type[models.Model], model_admin: type[admin.ModelAdmin]) -> Any:
            admin.site._registry.pop(model, None)
            admin.site.register(model, model_admin)
            addresses = ModuleType("addresses_of_a_test")
            others = [each for each in urls.urlpatterns if getattr(each, "app_name", "") != "admin"]
            addresses.urlpatterns = [*others, path("admin/", admin.site.urls)]  # type: ignore[attr-defined]
            stack.enter_context(override_settings(ROOT_URLCONF=addresses))
            return admin.site._registry[model]

        yield register
    admin.site._registry.clear()
    admin.site._registry.update(before)


@pytest.mark.parametrize(
    ("model", "leaking"),
    [
        (Trial, Unscoped),
        (BulkRun, ListsAll),
        (SalesOrder, HasAPageOfItsOwn),
        (TikTokReturn, HasAnAct),
        (AuditEntry, SearchesAll),
    ],
    ids=lambda each: each.__name__,
)
def test_walk_meets_what_leaks(
    model: type[models.Model], leaking: type[admin.ModelAdmin], registered: Any, own: Merchant, other: Merchant
) -> None:
    Trial.objects.create(
        merchant=other,
        shop=other.shops.get(),  # type: ignore[attr-defined]  # a related manager
        order_id=f"{UNSEEN}-order",
        outcome="MATCHED",
        is_linked=True,
        asked_at=timezone.now(),
    )
    manager = staff("manager", Role.MANAGER, own)
    manager.user_permissions.add(Permission.objects.get(codename="view_trial"))
    if model in admin.site._registry:
        _seen, met = walk(signed_in(manager), [admin.site._registry[model]], own=own, other=other)
        assert met == []
    leaks = registered(model, leaking)
    assert leaks in tenant_admins()
    _seen, met = walk(signed_in(manager), [leaks], own=own, other=other)
    assert met != []

"""Merchants, shops, connections and lanes, for implementation managers. Secrets go in and never come out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from merchants.admin_filters import ConnectionState
from merchants.api_admin import ApiClientAdmin as ApiClientAdmin
from merchants.models import (
    AuditEntry,
    Merchant,
    ReboundAccount,
    ShopAuthorization,
    StaffAssignment,
)
from merchants.shop_admin import ShopAdmin as ShopAdmin  # pages that have a module of their own
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, TenantAdmin, json_panel


@admin.register(Merchant)
class MerchantAdmin(TenantAdmin):
    ordering = ("name", "pk")
    list_display = ("name", "created_at")
    search_fields = ("name",)
    readonly_fields = ("created_at", "shops", "looked_after_by")

    def get_fields(self, request: HttpRequest, obj: Merchant | None = None) -> Any:
        return ("name", "created_at", "shops", "looked_after_by") if obj else ("name",)

    @admin.display(description=_("Shops"))
    def shops(self, merchant: Merchant) -> SafeString | str:
        rows = merchant.shops.order_by("name", "pk")
        links = ((reverse("admin:merchants_shop_change", args=[shop.pk]), shop, shop.state.label) for shop in rows)
        return format_html_join("", '<a href="{}">{}</a> ({})<br>', links) or str(_("None yet: they come by TikTok."))

    @admin.display(description=_("Looked after by"))
    def looked_after_by(self, merchant: Merchant) -> str:
        people = merchant.assignments.select_related("user").order_by("user__username")
        return ", ".join(each.user.get_username() for each in people) or str(_("Nobody yet: a lead assigns somebody."))

    def has_delete_permission(self, request: HttpRequest, obj: Merchant | None = None) -> bool:
        return False  # it would take orders and returns along

    def save_model(self, request: HttpRequest, obj: Merchant, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)


@admin.register(ShopAuthorization)
class ShopAuthorizationAdmin(ReadOnlyAdmin):
    list_display = ("seller_name", "merchant", "region", "refresh_token_expires_at", "broken_reason")
    list_filter = (("merchant", OwnAutocompleteFilter), ConnectionState, "broken_reason", "region")
    list_select_related = ("merchant",)
    fields = (
        "merchant",
        "open_id",
        "seller_name",
        "region",
        "scopes",
        "access_token_expires_at",
        "refresh_token_expires_at",
        "renewing_until",
        "broken_at",
        "broken_reason",
        "last_error",
        "authorized_at",
    )


class ReboundAccountForm(forms.ModelForm):
    new_client_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Stored encrypted and never shown. Leave empty to keep the one that is stored."),
    )

    class Meta:
        model = ReboundAccount
        fields = (
            "merchant",
            "environment",
            "client_id",
            "flow_key",
            "legal_entity",
            "reads_orders",
            "follows_orders",
            "relays_orders",
        )

    def clean_new_client_secret(self) -> str:
        secret: str = self.cleaned_data["new_client_secret"]
        if not secret and not self.instance.pk:
            raise forms.ValidationError(_("Enter the client secret that ReBound gave with this client id."))
        return secret


@admin.register(ReboundAccount)
class ReboundAccountAdmin(TenantAdmin):
    form = ReboundAccountForm
    list_display = ("client_id", "merchant", "environment", "flow_key", "secret", "broken_reason")
    list_filter = (("merchant", OwnAutocompleteFilter), ConnectionState, "environment", "broken_reason")
    list_select_related = ("merchant",)
    search_fields = ("client_id__exact",)
    autocomplete_fields = ("merchant",)
    readonly_fields = ("secret", "broken_at", "broken_reason", "last_error", "access_token_expires_at")

    @admin.display(description=_("Secret that is stored"))
    def secret(self, account: ReboundAccount) -> str:
        return f"…{account.client_secret[-4:]}" if account.client_secret else str(_("None"))

    def save_model(self, request: HttpRequest, obj: ReboundAccount, form: Any, change: bool) -> None:
        secret = form.cleaned_data["new_client_secret"]
        changed = set(form.changed_data) - {"new_client_secret"}
        if secret:
            obj.client_secret = secret
            changed.add("client_secret")
        if secret or changed & {"client_id", "environment"}:
            # New credentials: forget the old token and give the connection another chance.
            obj.access_token, obj.access_token_expires_at = "", None
            obj.broken_at, obj.broken_reason, obj.last_error = None, "", ""
            obj.relay_paused_until = None
            changed |= {"access_token", "access_token_expires_at", "broken_at", "broken_reason", "last_error"}
            changed.add("relay_paused_until")
        # A worker may be renewing the token: what the form did not change is left alone.
        obj.save(update_fields=changed if change else None)


@admin.register(StaffAssignment)
class StaffAssignmentAdmin(TenantAdmin):
    list_display = ("user", "merchant", "created_at")
    list_filter = (("merchant", OwnAutocompleteFilter),)
    list_select_related = ("user", "merchant")
    search_fields = ("user__username__exact", "merchant__name__istartswith")
    autocomplete_fields = ("merchant",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # added and removed, so that the log tells who could see what, and when

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = get_user_model().objects.filter(is_staff=True, is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor_name", "done", "subject_name", "subject_type", "merchant", "reason")
    list_filter = (("merchant", OwnAutocompleteFilter),)
    list_select_related = ("merchant",)
    search_fields = ("actor_name__exact", "subject_id__exact", "correlation_id__exact", "subject_name__exact")
    search_help_text = _("The whole user name, correlation id, or id or name of what was acted on.")
    fields = (
        "at",
        "actor_name",
        "done",
        "subject_type",
        "subject_id",
        "subject_name",
        "merchant",
        "reason",
        "details",
        "correlation_id",
    )
    readonly_fields = ("done", "details")

    @admin.display(description=_("Act"), ordering="act")
    def done(self, entry: AuditEntry) -> str:
        return entry.act_in_words

    @admin.display(description=_("Details"))
    def details(self, entry: AuditEntry) -> Any:
        return json_panel(entry.detail)

"""An OMS's credentials in the admin: made, rotated and revoked here, and shown once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from merchants.act_pages import ReasonForm, act_page
from merchants.api_access import Issued, add_secret, create_client, revoke_client, revoke_secret
from merchants.audit import record_act
from merchants.models import ApiClient, ApiScope, ApiSecret
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyInline, TenantAdmin


class ApiClientForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope.value, _(scope.label)) for scope in ApiScope],
        initial=ApiScope.values,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    class Meta:
        model = ApiClient
        fields = ("merchant", "name", "scopes")


class RevokeForm(ReasonForm):
    secret = forms.ModelChoiceField(
        label=_("Secret"), queryset=ApiSecret.objects.none(), widget=UnfoldAdminSelectWidget()
    )
    field_order = ("secret", "reason")

    def __init__(self, *args: Any, client: ApiClient, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        live = client.secrets.filter(revoked_at__isnull=True).order_by("pk")
        self.fields["secret"].queryset = live  # type: ignore[attr-defined]  # a ModelChoiceField


class SecretInline(ReadOnlyInline):
    model = ApiSecret
    exclude = ("merchant", "digest")
    verbose_name_plural = _("secrets")
    ordering = ("-pk",)


@admin.register(ApiClient)
class ApiClientAdmin(TenantAdmin):
    form = ApiClientForm
    list_display = ("name", "merchant", "client_id", "created_at", "revoked_at")
    list_filter = (("merchant", OwnAutocompleteFilter),)
    list_select_related = ("merchant",)
    search_fields = ("client_id__exact", "name__istartswith")
    autocomplete_fields = ("merchant",)
    readonly_fields = ("client_id", "created_at", "revoked_at")
    inlines = (SecretInline,)
    actions_detail = ("another_secret", "revoke_a_secret", "revoke")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiClient | None = None) -> Any:
        return (*self.readonly_fields, "merchant") if obj else self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: ApiClient | None) -> Any:
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: ApiClient | None = None) -> bool:
        return False  # revoked instead: what it pushed names it

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["name", "scopes"])
            return
        made, issued = create_client(merchant=obj.merchant, name=obj.name, scopes=obj.scopes, now=timezone.now())
        obj.__dict__.update(made.__dict__)
        obj.issued = issued

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return self._shown_once(request, obj, obj.issued, _("The client was made"))

    def _shown_once(self, request: HttpRequest, client: ApiClient, issued: Issued, title: Any) -> HttpResponse:
        return act_page(  # the admin's pages are never cached
            self,
            request,
            row=client,
            title=title,
            effect=_("Give both to the OMS's developer, by a way that nobody else reads."),
            secret=[("client_id", client.client_id), ("client_secret", issued.plain)],
        )

    def _act(self, request: HttpRequest, client: ApiClient, act: str, reason: str) -> None:
        record_act(act=act, actor=request.user, subject=client, reason=reason, now=timezone.now())

    def _back(self, request: HttpRequest, client: ApiClient, said: Any) -> HttpResponse:
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:merchants_apiclient_change", args=[client.pk]))

    @action(description=_("Add a secret"), url_path="add-secret", permissions=["change"])
    def another_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client: ApiClient = self.get_object(request, object_id)
        form = ReasonForm(request.POST or None)
        if client.revoked_at:
            return act_page(
                self, request, row=client, title=_("Add a secret"), effect=_("This client was revoked. Make another.")
            )
        if request.method == "POST" and form.is_valid():
            issued = add_secret(client, now=timezone.now())
            self._act(request, client, "Added a secret", form.cleaned_data["reason"])
            return self._shown_once(request, client, issued, _("The secret was made"))
        effect = _("The secrets that exist stay good. Revoke the old one once the OMS uses the new one.")
        return act_page(
            self, request, row=client, title=_("Add a secret"), effect=effect, form=form, button=_("Make it")
        )

    @action(description=_("Revoke a secret"), url_path="revoke-secret", permissions=["change"])
    def revoke_a_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client: ApiClient = self.get_object(request, object_id)
        form = RevokeForm(request.POST or None, client=client)
        if request.method == "POST" and form.is_valid():
            revoke_secret(form.cleaned_data["secret"], now=timezone.now())
            self._act(request, client, "Revoked a secret", form.cleaned_data["reason"])
            return self._back(request, client, _("The secret was revoked."))
        effect = _("From then on neither the secret nor any token that it got is good.")
        return act_page(
            self, request, row=client, title=_("Revoke a secret"), effect=effect, form=form, button=_("Revoke it")
        )

    @action(description=_("Revoke the client"), url_path="revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client: ApiClient = self.get_object(request, object_id)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            revoke_client(client, now=timezone.now())
            self._act(request, client, "Revoked the client", form.cleaned_data["reason"])
            return self._back(request, client, _("The client was revoked."))
        effect = _("All of its secrets and tokens end at once. This cannot be undone; the orders that it pushed stay.")
        return act_page(
            self, request, row=client, title=_("Revoke the client"), effect=effect, form=form, button=_("Revoke it")
        )

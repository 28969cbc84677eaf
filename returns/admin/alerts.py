"""Alert channels in the admin: who is told of what, and what became of each message."""

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.validators import validate_email
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from merchants.act_pages import ReasonForm, act_page
from merchants.audit import record_act
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, TenantAdmin, json_panel
from rebound_tts.clients.alert_webhook import AddressRefusedError, check_address
from returns.alert_models import AlertChannel, AlertDelivery, AlertKind
from returns.alerts import TOLD_OF, queue, trial_body


class AlertChannelForm(forms.ModelForm):
    reasons = forms.MultipleChoiceField(
        label=_("Reasons"),
        choices=TOLD_OF,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("What it is told of. Nothing chosen: everything."),
    )

    class Meta:
        model = AlertChannel
        fields = ("merchant", "kind", "address", "minutes", "is_active", "reasons")

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        address, kind = found.get("address", ""), found.get("kind")
        if kind == AlertKind.EMAIL and address:
            if not settings.EMAIL_URL:
                self.add_error("kind", _("No mail leaves this installation. Set EMAIL_URL first, or choose a webhook."))
            try:
                validate_email(address)
            except forms.ValidationError as error:
                self.add_error("address", error)
        if kind == AlertKind.WEBHOOK and address:
            try:
                check_address(address)
            except AddressRefusedError as error:
                self.add_error("address", str(error))
        return found


@admin.register(AlertChannel)
class AlertChannelAdmin(TenantAdmin):
    form = AlertChannelForm
    list_display = ("address", "merchant", "kind", "minutes", "is_active", "told_until")
    list_filter = (("merchant", OwnAutocompleteFilter), "kind", "is_active")
    list_select_related = ("merchant",)
    search_fields = ("address__exact",)
    autocomplete_fields = ("merchant",)
    readonly_fields = ("created_at", "told_until", "next_digest_at", "drift_told_at", "latest")
    actions_detail = ("send_a_test", "new_secret")

    def get_readonly_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> Any:
        return (*self.readonly_fields, "merchant", "kind") if obj else ()

    def get_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> Any:
        fields = ("merchant", "kind", "address", "minutes", "is_active", "reasons")
        return (*fields, *self.readonly_fields) if obj else fields

    @admin.display(description=_("Last messages"))
    def latest(self, channel: AlertChannel) -> str:
        rows = channel.deliveries.order_by("-pk")[:5]
        return "; ".join(f"{row.created_at:%Y-%m-%d %H:%M} UTC {_outcome(row)}" for row in rows) or "-"

    def save_model(self, request: HttpRequest, obj: AlertChannel, form: Any, change: bool) -> None:
        now = timezone.now()
        if change:
            # Its turn may be coming at this moment: what the form did not change is left alone.
            obj.save(update_fields=[name for name in form.changed_data if name not in self.readonly_fields])
            return
        obj.created_at = obj.told_until = obj.next_digest_at = now
        if obj.kind == AlertKind.WEBHOOK:
            obj.secret = secrets.token_urlsafe(32)
        obj.save()

    def response_add(self, request: HttpRequest, obj: AlertChannel, post_url_continue: str | None = None) -> Any:
        if obj.kind == AlertKind.WEBHOOK:
            return self._shown_once(request, obj, _("The channel was made"))
        return super().response_add(request, obj, post_url_continue)

    def _shown_once(self, request: HttpRequest, channel: AlertChannel, title: Any) -> HttpResponse:
        effect = _("Each message carries X-Rebound-Signature: t=<time>,v1=<HMAC-SHA256 of '<time>.<body>'>.")
        return act_page(
            self, request, row=channel, title=title, effect=effect, secret=[(_("Signing secret"), channel.secret)]
        )

    def has_try_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "try")

    @action(description=_("Send a test"), url_path="test", permissions=["try"])
    def send_a_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel: AlertChannel = self.get_object(request, object_id)
        if request.method == "POST":
            now = timezone.now()
            queue(channel=channel, body=trial_body(channel, now=now), now=now)
            record_act(act="Sent a test alert", actor=request.user, subject=channel, now=now)
            messages.success(request, _("It is on its way; what became of it shows here in a few seconds."))
            return HttpResponseRedirect(reverse("admin:returns_alertchannel_change", args=[channel.pk]))
        effect = _("One message is sent to this address. It says that it is a test.")
        title = _("Send a test alert")
        return act_page(self, request, row=channel, title=title, effect=effect, button=_("Send it"))

    @action(description=_("New secret"), url_path="secret", permissions=["change"])
    def new_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel: AlertChannel = self.get_object(request, object_id)
        title = _("A new signing secret")
        if channel.kind != AlertKind.WEBHOOK:
            return act_page(self, request, row=channel, title=title, effect=_("Only a webhook is signed."))
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            channel.secret = secrets.token_urlsafe(32)
            channel.save(update_fields=["secret"])
            record_act(
                act="Changed the signing secret",
                actor=request.user,
                subject=channel,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return self._shown_once(request, channel, title)
        effect = _("From the next message on, the new secret signs; the old one is forgotten.")
        return act_page(self, request, row=channel, title=title, effect=effect, form=form, button=_("Make it"))


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "channel", "outcome", "attempts", "last_error")
    list_filter = (("channel", OwnAutocompleteFilter), ("merchant", OwnAutocompleteFilter))
    list_select_related = ("channel__merchant", "merchant")
    fields = ("created_at", "channel", "outcome", "attempts", "next_attempt_at", "sent_at", "last_error", "content")
    readonly_fields = ("outcome", "content")

    @admin.display(description=_("What became of it"))
    def outcome(self, delivery: AlertDelivery) -> str:
        return _outcome(delivery)

    @admin.display(description=_("Message"))
    def content(self, delivery: AlertDelivery) -> SafeString | str:
        return json_panel(delivery.message)


def _outcome(delivery: AlertDelivery) -> str:
    if delivery.sent_at:
        return str(_("sent"))
    if delivery.given_up_at:
        return str(_("given up"))
    return str(_("on its way"))

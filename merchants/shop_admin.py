"""Shops in the admin: how they are, their settings and who changed them, pausing, copying settings between shops."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, prefetch_related_objects
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from merchants.act_pages import ReasonForm, act_page
from merchants.admin_filters import ShopHealth
from merchants.audit import record_act
from merchants.copying import lanes_in_place_of
from merchants.installs import standings
from merchants.models import LONGEST_MATCH_WAIT, Lane, ReboundAccount, Shop, ShopSettings, ShopState
from merchants.providers import shipping_providers
from merchants.services import pause_shop, resume_shop
from merchants.settings_history import (
    after_copying,
    copy_settings,
    differences,
    note_settings,
    note_what_was_found,
    settings_of,
    value_in_words,
)
from merchants.staff import within
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin, TenantAdmin, TenantInline, json_panel
from rebound_tts.clients.errors import RemoteError

VERSIONS_SHOWN = 10
NO_WAIT = _("Enter a whole number of minutes, from 0 to 1440 (24 hours).")


class MinutesField(forms.IntegerField):
    """A duration as whole minutes: Django's own field takes a bare 10 for seconds."""

    widget = UnfoldAdminIntegerFieldWidget

    def prepare_value(self, value: Any) -> Any:
        return int(value / timedelta(minutes=1)) if isinstance(value, timedelta) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> timedelta:
        return timedelta(minutes=super().clean(value))


class ShopForm(forms.ModelForm):
    match_wait = MinutesField(
        label=_("Match wait in minutes"),
        help_text=_("How long a return waits for its order: whole minutes, from 0 to 1440 (24 hours)."),
        min_value=0,
        max_value=int(LONGEST_MATCH_WAIT / timedelta(minutes=1)),
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), NO_WAIT),
    )

    def clean(self) -> None:
        """As the wizard asks: without an origin nothing is compared, and every return goes direct."""
        super().clean()
        typed = self.cleaned_data
        if typed.get("matching_enabled") and not typed.get("platform_origin") and "platform_origin" not in self.errors:
            told = _("Choose the system whose ids the TikTok orders carry, or put matching off.")
            self.add_error("platform_origin", told)


class LaneForm(forms.ModelForm):
    def clean_country(self) -> str:
        country: str = self.cleaned_data["country"]
        return country.strip().upper()


class LaneFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        """The constraint names the merchant, which no form shows, so that Django does not check it here."""
        super().clean()
        kept = [form for form in self.forms if form not in self.deleted_forms]
        countries = [getattr(form, "cleaned_data", {}).get("country") for form in kept]
        for country in {country for country in countries if country is not None and countries.count(country) > 1}:
            told = _("There are two lanes for %(country)s; keep one.")
            raise forms.ValidationError(told, params={"country": country or _("every other country")})


class LaneInline(TenantInline):
    model = Lane
    form = LaneForm
    formset = LaneFormSet


@admin.register(Shop)
class ShopAdmin(TenantAdmin):
    form = ShopForm
    ordering = ("name", "pk")
    list_display = (
        "name",
        "merchant",
        "region",
        "stands",
        "install",
        "matching_enabled",
        "platform_origin",
        "connection",
    )
    list_filter = (("merchant", OwnAutocompleteFilter), ShopHealth, "matching_enabled", "platform_origin", "region")
    list_select_related = ("merchant", "authorization", "rebound_account")
    search_fields = ("shop_id__exact", "name__istartswith")
    fieldsets = (
        (
            _("How it is"),
            {
                "fields": (
                    "stands",
                    "install",
                    "connection",
                    "authorized_until",
                    "live_at",
                    "paused_at",
                    "disconnected_at",
                    "webhooks_checked_at",
                    "webhooks_problem",
                    "matching_chosen_at",
                    "checklist_confirmed_at",
                )
            },
        ),
        (_("Shop"), {"fields": ("merchant", "authorization", "shop_id", "name", "region", "created_at")}),
        (
            _("Settings"),
            {
                "fields": (
                    "rebound_account",
                    "matching_enabled",
                    "platform_origin",
                    "match_wait",
                    "partly_matched_goes_direct",
                    "writes_references",
                    "id_strip_prefix",
                    "id_strip_suffix",
                    "id_ignore_case",
                    "id_trim_leading_zeros",
                )
            },
        ),
        (_("Links to other systems"), {"fields": ("seller_center_link", "order_system_link")}),
        (_("Who changed what"), {"fields": ("history",)}),
    )
    readonly_fields = (
        *("stands", "install", "connection", "authorized_until", "history", "wait"),
        *("merchant", "authorization", "shop_id", "name", "region", "created_at"),
        *("live_at", "paused_at", "disconnected_at", "webhooks_checked_at", "webhooks_problem"),
        "references_paused_until",
        *("matching_chosen_at", "checklist_confirmed_at"),
    )
    actions_detail = ("pause_or_resume", "copy_settings")
    inlines = (LaneInline,)

    def get_fieldsets(self, request: HttpRequest, obj: Shop | None = None) -> Any:
        """Who may only look reads the match wait in words, where the form has a number of minutes."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [
            (name, {**more, "fields": tuple("wait" if each == "match_wait" else each for each in more["fields"])})
            for name, more in fieldsets
        ]

    @admin.display(description=_("Match wait"))
    def wait(self, shop: Shop) -> str:
        return value_in_words("match_wait", int(shop.match_wait.total_seconds()))

    @admin.display(description=_("State"))
    def stands(self, shop: Shop) -> str:
        return str(shop.state.label)

    @admin.display(description=_("Install"))
    def install(self, shop: Shop) -> str:
        if shop.state is not ShopState.SETTING_UP:
            return "-"
        known = getattr(shop, "standing", None) or standings([shop]).get(shop.pk)
        days = (timezone.now() - shop.created_at).days
        since = ngettext("connected %(days)s day ago", "connected %(days)s days ago", days) % {"days": days}
        return f"{known}; {since}" if known else since

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Where each install of the page stands, asked for all of them at once."""
        listed = super().get_changelist_instance(request)
        setting_up = [shop for shop in listed.result_list if shop.state is ShopState.SETTING_UP]
        prefetch_related_objects(setting_up, "lanes")
        found = standings(setting_up)
        for shop in setting_up:
            shop.standing = found.get(shop.pk)
        return listed

    @admin.display(description=_("TikTok authorization ends"))
    def authorized_until(self, shop: Shop) -> str:
        return f"{shop.authorization.refresh_token_expires_at:%Y-%m-%d %H:%M} UTC"

    @admin.display(description=_("Settings, newest first"))
    def history(self, shop: Shop) -> SafeString | str:
        versions = list(shop.settings_versions.order_by("-number")[: VERSIONS_SHOWN + 1])
        if not versions:
            return str(_("Nothing was changed here yet. From the first change on, each version is listed."))
        before = [*versions[1:], None]
        return format_html_join("", "<p>{}</p>", ((_told(*pair),) for pair in zip(versions, before, strict=True)))

    @admin.display(description=_("Connection"))
    def connection(self, shop: Shop) -> str:
        if shop.authorization.broken_at:
            return f"{_('TikTok broken')}: {shop.authorization.get_broken_reason_display()}"
        if shop.rebound_account is None:
            return str(_("No ReBound account"))
        if shop.rebound_account.broken_at:
            return f"{_('ReBound broken')}: {shop.rebound_account.get_broken_reason_display()}"
        return str(_("Works"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a shop comes from an authorization at TikTok

    def has_delete_permission(self, request: HttpRequest, obj: Shop | None = None) -> bool:
        return False  # it would take decisions along

    def save_model(self, request: HttpRequest, obj: Shop, form: Any, change: bool) -> None:
        note_what_was_found(shop=obj, now=timezone.now())
        obj.save(update_fields=form.changed_data)  # an authorization may be bringing the rest up to date

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        note_settings(shop=form.instance, by=request.user.get_username(), now=timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for lane in formset.save(commit=False):
            lane.merchant = form.instance.merchant
            lane.save()
        for lane in formset.deleted_objects:
            lane.delete()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "rebound_account":
            kwargs["queryset"] = self._accounts_of_the_merchant(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _accounts_of_the_merchant(self, request: HttpRequest) -> QuerySet[ReboundAccount]:
        match = request.resolver_match
        key = match.kwargs.get("object_id", "") if match else ""
        shop = Shop.objects.filter(pk=key).first() if key.isdigit() else None
        return ReboundAccount.objects.for_merchant(shop.merchant) if shop else ReboundAccount.objects.none()

    # Acts

    def has_pause_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "pause")

    @action(description=_("Pause or resume"), url_path="pause", permissions=["pause"])
    def pause_or_resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        shop: Shop = self.get_object(request, object_id)
        form = ReasonForm(request.POST or None)
        is_paused = shop.state == ShopState.PAUSED
        if shop.state not in {ShopState.LIVE, ShopState.PAUSED}:
            effect = _("This shop is not live, so that there is nothing to pause. State: %(state)s.")
            return act_page(
                self,
                request,
                row=shop,
                title=_("Pause or resume"),
                effect=effect % {"state": shop.state.label},
            )
        if request.method == "POST" and form.is_valid():
            now = timezone.now()
            done = resume_shop(shop=shop, now=now) if is_paused else pause_shop(shop=shop, now=now)
            if done:
                record_act(
                    act="Resumed the shop" if is_paused else "Paused the shop",
                    actor=request.user,
                    subject=shop,
                    reason=form.cleaned_data["reason"],
                    now=now,
                )
            return self._back(request, shop, _("Done.") if done else _("Somebody else was faster; nothing changed."))
        effect = (
            _("Returns that waited are taken up at once.")
            if is_paused
            else _(
                "No new return is started at ReBound until the shop is resumed; they are kept and wait, and buyers get "
                "no label meanwhile. What exists at ReBound goes on."
            )
        )
        title = _("Resume the shop") if is_paused else _("Pause the shop")
        return act_page(self, request, row=shop, title=title, effect=effect, form=form, button=title)

    @action(description=_("Copy settings"), url_path="copy-settings", permissions=["change"])
    def copy_settings(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """First the difference, then, once it was seen, the copy."""
        shop: Shop = self.get_object(request, object_id)
        others = within(Shop.objects.exclude(pk=shop.pk), request.user).order_by("merchant__name", "name")
        form = CopyForm(request.POST or None, shops=others)
        found = None
        buttons = [("show", _("Show the difference"))]
        if request.method == "POST" and form.is_valid() and form.finds_lanes(shop):
            source, lanes = form.cleaned_data["source"], form.lanes
            after = after_copying(source=source, target=shop, lanes=lanes)
            found = differences(settings_of(shop), after)
            if found and "copy" in request.POST:
                reason, now = form.cleaned_data["reason"], timezone.now()
                with translation.override("en"):  # as every entry of the log
                    changes = [str(each) for each in differences(settings_of(shop), after)]
                copy_settings(
                    source=source,
                    target=shop,
                    lanes=lanes,
                    by=request.user.get_username(),
                    now=now,
                    reason=reason,
                )
                detail = {"from": str(source), "changes": changes}
                record_act(
                    act="Copied settings", actor=request.user, subject=shop, reason=reason, detail=detail, now=now
                )
                return self._back(request, shop, _("The settings were copied."))
            if form.left_out:
                countries = ", ".join(country or str(_("every other country")) for country in form.left_out)
                messages.warning(request, _("TikTok lists another carrier for this shop. Not copied: %s.") % countries)
            if found:
                buttons.append(("copy", _("Copy these settings")))
        return act_page(
            self,
            request,
            row=shop,
            title=_("Copy settings from another shop"),
            effect=_("The connection and the ReBound account of this shop stay as they are."),
            form=form,
            buttons=buttons,
            differences=found,
        )

    def _back(self, request: HttpRequest, shop: Shop, said: Any) -> HttpResponse:
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:merchants_shop_change", args=[shop.pk]))


def _told(version: ShopSettings, before: ShopSettings | None) -> SafeString:
    """Who made this version when, and what differs from the one before."""
    changes = differences(before.settings, version.settings) if before else []
    reason = f"({version.reason})" if version.reason else ""
    page = reverse("admin:merchants_shopsettings_change", args=[version.pk])
    lines = format_html_join("", "<br>{}", ((str(each),) for each in changes))
    return format_html(
        '<a href="{}">{}</a> {}, {} UTC {}{}',
        page,
        _("Version %(number)s") % {"number": version.number},
        version.changed_by_in_words,
        f"{version.changed_at:%Y-%m-%d %H:%M}",
        reason,
        lines,
    )


class CopyForm(forms.Form):
    source = forms.ModelChoiceField(
        label=_("From"), queryset=Shop.objects.none(), widget=UnfoldAdminSelectWidget(), empty_label=_("Choose a shop")
    )
    with_lanes = forms.BooleanField(
        label=_("Replace the lanes too"), required=False, widget=UnfoldBooleanSwitchWidget()
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Kept with the settings and in the audit log."),
    )

    def __init__(self, *args: Any, shops: QuerySet[Shop], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = shops  # type: ignore[attr-defined]  # a ModelChoiceField
        self.lanes: list[Lane] | None = None  # what is copied of them, if any
        self.left_out: list[str] = []  # the countries whose lanes are not, "" for every other

    def finds_lanes(self, target: Shop) -> bool:
        """Whether TikTok says which lanes fit, where lanes are asked for: a label is refused that names a carrier which
        it does not list for the shop."""
        if not self.cleaned_data["with_lanes"]:
            return True
        try:
            providers = shipping_providers(target)
        except RemoteError as error:
            refused = _(
                "TikTok does not say which carriers this shop may use: %s. Try again, or copy without the lanes."
            )
            self.add_error("with_lanes", refused % error)
            return False
        source = self.cleaned_data["source"]
        self.lanes, self.left_out = lanes_in_place_of(target, source=source, providers=providers)
        return True


@admin.register(ShopSettings)
class ShopSettingsAdmin(ReadOnlyAdmin):
    """Each version of a shop's settings: what was in force from its time on."""

    list_display = ("shop", "number", "changed_at", "by", "reason")
    list_filter = (("shop", OwnAutocompleteFilter),)
    list_select_related = ("shop",)
    fields = ("shop", "number", "changed_at", "by", "reason", "changes", "all_of_them")
    readonly_fields = ("by", "changes", "all_of_them")

    @admin.display(description=_("Changed by"), ordering="changed_by")
    def by(self, version: ShopSettings) -> str:
        return version.changed_by_in_words

    @admin.display(description=_("Changed"))
    def changes(self, version: ShopSettings) -> SafeString | str:
        before = ShopSettings.objects.filter(shop=version.shop_id, number=version.number - 1).first()
        if before is None:
            return "-"
        found = differences(before.settings, version.settings)
        return format_html_join("", "{}<br>", ((str(each),) for each in found))

    @admin.display(description=_("All settings"))
    def all_of_them(self, version: ShopSettings) -> SafeString | str:
        return json_panel(version.settings)

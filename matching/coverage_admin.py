"""Coverage checks in the admin: started for a shop, watched, canceled. What a check does stands in `coverage/`."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from matching.coverage.diagnosis import Finding
from matching.coverage.models import LARGEST_SAMPLE, SMALLEST_SAMPLE, CoverageCheck
from matching.coverage.services import DEFAULT_SAMPLE, cancel_check, start_check
from matching.coverage.tasks import ring
from matching.coverage.wording import FAILURES, said
from merchants.act_pages import act_page
from merchants.audit import record_act
from merchants.tenant_admin import OwnAutocompleteFilter, TenantAdmin


class StartForm(forms.ModelForm):
    sample_size = forms.IntegerField(
        label=_("Orders to look at"),
        initial=DEFAULT_SAMPLE,
        min_value=SMALLEST_SAMPLE,
        max_value=LARGEST_SAMPLE,
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    class Meta:
        model = CoverageCheck
        fields = ("shop", "sample_size")

    def clean_shop(self) -> Any:
        shop = self.cleaned_data["shop"]
        if not shop.platform_origin:
            raise forms.ValidationError(_("This shop has no platform origin: nothing could be compared. Set it first."))
        return shop


@admin.register(CoverageCheck)
class CoverageCheckAdmin(TenantAdmin):
    form = StartForm
    list_display = ("shop", "state", "asked_at", "asked_by", "sampled", "referenced", "found", "matched")
    list_filter = (("merchant", OwnAutocompleteFilter), ("shop", OwnAutocompleteFilter), "state")
    list_select_related = ("shop",)
    autocomplete_fields = ("shop",)
    actions_detail = ("cancel",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: CoverageCheck | None = None) -> Any:
        if obj is None:
            return ("shop", "sample_size")
        return (
            *("shop", "state", "failure", "failure_detail", "asked_by", "asked_at", "finished_at", "sample_size"),
            *("platform_origin", "sampled", "read", "decided", "referenced", "found", "matched", "diagnosis"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: CoverageCheck | None = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    @admin.display(description=_("Diagnosis"))
    def diagnosis(self, check: CoverageCheck) -> SafeString | str:
        """In the words that the merchant reads, with the remedy; the order of the wizard's page."""
        failure = FAILURES.get(check.failure)
        context = {
            "check": check,
            "failure": failure,
            "findings": [said(Finding.from_json(each), check=check) for each in check.findings],
            "shop_url": reverse("admin:merchants_shop_change", args=[check.shop_id]),
        }
        return render_to_string("admin/matching/diagnosis.html", context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        check = start_check(
            shop=obj.shop,
            sample_size=obj.sample_size,
            asked_by=request.user.get_username(),
            now=timezone.now(),
        )
        ring()
        obj.__dict__.update(check.__dict__)

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "add")

    @action(description=_("Cancel"), url_path="cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        check: CoverageCheck = self.get_object(request, object_id)
        if request.method == "POST":
            now = timezone.now()
            if cancel_check(check, now=now):
                record_act(act="Canceled the check", actor=request.user, subject=check, now=now)
                messages.success(request, _("The check was canceled; what it found so far stays."))
            return HttpResponseRedirect(reverse("admin:matching_coveragecheck_change", args=[check.pk]))
        effect = _("It stops; what it found so far stays.") if check.is_active else _("It has ended already.")
        button = _("Cancel the check") if check.is_active else ""
        return act_page(self, request, row=check, title=_("Cancel the check"), effect=effect, button=button)

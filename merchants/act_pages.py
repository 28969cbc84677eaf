"""The page before an act: it says what will happen, asks for the reason, and does nothing until it is sent."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Kept in the audit log with your name."),
    )


def act_page(
    model_admin: ModelAdmin,
    request: HttpRequest,
    *,
    row: Model,
    title: Any,
    effect: Any,
    form: forms.Form | None = None,
    button: Any = "",
    buttons: Sequence[tuple[str, Any]] = (),
    **more: Any,
) -> TemplateResponse:
    """`effect`: what will happen, in a sentence. `buttons`: names and labels where there are several; else `button`.
    `more` fills the template: `differences` (settings, now and then), `secret` (pairs that are shown this once)."""
    opts = model_admin.opts
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "subtitle": str(row),
        "opts": opts,
        "original": row,
        "effect": effect,
        "form": form,
        "buttons": buttons or ([("act", button)] if button else []),
        "back": reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]),
        "differences": None,
        **more,
    }
    return TemplateResponse(request, "admin/act.html", context)

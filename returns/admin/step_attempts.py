"""Tries of steps, for looking. They are reached from their return; the list is for a search across returns."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from matching.decision_words import in_words
from merchants.tenant_admin import ReadOnlyAdmin
from returns.models import StepAttempt


@admin.register(StepAttempt)
class StepAttemptAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "tiktok_return", "step", "outcome", "told")
    list_filter = ("step", "outcome")
    list_select_related = ("tiktok_return",)
    search_fields = ("tiktok_return__return_id__exact",)
    search_help_text = _("The whole return id.")
    fields = ("tiktok_return", "step", "started_at", "finished_at", "outcome", "told")
    readonly_fields = ("told",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StepAttempt]:
        return super().get_queryset(request).defer("tiktok_return__payload", "tiktok_return__buyer_address")

    @admin.display(description=_("Detail"), ordering="detail")
    def told(self, attempt: StepAttempt) -> str:
        return in_words(attempt.detail)

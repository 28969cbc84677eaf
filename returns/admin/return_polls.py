"""How far each shop's returns were searched, and what stood in the way."""

from django.contrib import admin

from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin
from returns.models import ReturnPoll


@admin.register(ReturnPoll)
class ReturnPollAdmin(ReadOnlyAdmin):
    list_display = ("shop", "merchant", "polled_until", "resume_after", "next_poll_at", "last_error")
    list_filter = (("merchant", OwnAutocompleteFilter),)
    list_select_related = ("shop", "merchant")

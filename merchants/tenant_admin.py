"""What every page of the admin is built on: it shows the rows of one's own merchants, and logs each act.

A model admin or inline that derives from these is scoped without more: lists, pages, histories, deletions,
autocompletes, filters, foreign keys, actions. A view of one's own takes its row from `self.get_object(request, key)`,
which answers 404 for what is not there or not theirs, or its rows from `self.get_queryset(request)`.
"""

import json
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.paginator import Page
from django.db.models import ForeignKey, Model, QuerySet
from django.db.models.sql.where import WhereNode
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone, translation
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm
from unfold.paginator import InfinitePaginator as UncountedPaginator

from merchants.audit import AuditEntry, record_act
from merchants.staff import merchant_keys, path_to_merchant, within

TOO_DEEP = _("Lists end here. What is further down is found by a filter or a search.")


def json_panel(value: Any) -> SafeString | str:
    """A JSON value over as many lines as it needs."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False)) if value else "-"


class OwnRows(BaseModelAdmin):
    """The rows of one's own merchants, and no choice outside of them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self._own(super().get_queryset(request), request)

    def _own(self, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        path = path_to_merchant(rows.model)
        return within(rows, request.user, path=path) if path else rows

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> Any:
        if path_to_merchant(db_field.related_model):
            rows = kwargs.get("queryset", db_field.related_model._default_manager.all())
            kwargs["queryset"] = self._own(rows, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class TenantAdmin(OwnRows, ModelAdmin):
    """A model admin of rows that belong to a merchant, or of the merchants themselves."""

    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_fullwidth = True
    show_facets = ShowFacets.NEVER  # a number beside each choice of each filter counts the table for each of them

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """As they are listed; a column of choices as a drop-down, since thirty reasons hide the filters below them."""
        return [
            (each, ChoicesDropdownFilter)
            if isinstance(each, str) and getattr(self.opts.get_field(each), "choices", None)
            else each
            for each in super().get_list_filter(request)
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row. Raises Http404 where there is none, or none of a merchant of theirs: nobody can tell which."""
        found = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404
        return found

    def may(self, request: HttpRequest, act: str) -> bool:
        """Whether the role allows an act that has a permission of its own, such as "send_direct"."""
        return request.user.has_perm(f"{self.opts.app_label}.{act}_{self.opts.model_name}")

    # One log: an entry instead of Django's LogEntry, in the same transaction as the change.

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        return record_act(act="Added", actor=request.user, subject=obj, now=timezone.now())

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        # Django's own words for what a form changed: the names of the fields, never their values.
        parts = message if isinstance(message, list) else [message]
        with translation.override("en"):
            changes = [LogEntry(change_message=_as_stored(part)).get_change_message() for part in parts]
        detail = {"changes": changes}
        return record_act(act="Changed", actor=request.user, subject=obj, detail=detail, now=timezone.now())

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        now = timezone.now()
        return [record_act(act="Deleted", actor=request.user, subject=row, now=now) for row in queryset]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        entries = AuditEntry.objects.about(row).order_by("-pk")[:200]
        return super().history_view(request, object_id, {"action_list": entries, **(extra_context or {})})


def _as_stored(part: Any) -> str:
    return part if isinstance(part, str) else json.dumps([part])


class InfinitePaginator(UncountedPaginator):  # by this name the theme knows that there is no count to show
    """Pages without a count, to a depth that any table bears; beyond it a filter finds more than patience does.

    A page asks for its keys first, which an index answers alone, and only then for its rows with all that they show.
    """

    template_name = "admin/pagination_bounded.html"
    deepest = 200

    @cached_property
    def num_pages(self) -> int:
        return self.deepest

    def page(self, number: int | str) -> Page:
        at = self.validate_number(number)
        start = (at - 1) * self.per_page
        rows: Any = self.object_list
        keys = list(rows.values_list("pk", flat=True)[start : start + self.per_page])
        # By their keys alone: under the filter as well, PostgreSQL may walk the filter's index for them.
        chosen = rows.all()
        chosen.query.where = WhereNode()
        return self._get_page(chosen.filter(pk__in=keys), at, self)


class ReadOnlyAdmin(TenantAdmin):
    """Rows to look at. Who may change them may run the actions of the list; no page of a row saves it, since that
    would write back what a worker changed meanwhile. These tables grow, so that their lists count nothing."""

    paginator = InfinitePaginator
    list_disable_select_all = True  # it would name a count

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        asked = request.GET.get(PAGE_VAR, "")
        if asked.isdigit() and int(asked) > InfinitePaginator.deepest:
            messages.warning(request, TOO_DEEP)
            deepest = request.GET.copy()
            deepest[PAGE_VAR] = str(InfinitePaginator.deepest)
            return HttpResponseRedirect(f"{request.path}?{deepest.urlencode()}")
        return super().changelist_view(request, extra_context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TenantInline(OwnRows, TabularInline):
    """Rows of a row. Its fields stand in columns, so that each is told its column's name."""

    extra = 0
    exclude: ClassVar[tuple[str, ...] | None] = ("merchant",)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field:
            field.widget.attrs.setdefault("aria-label", str(field.label))
        return field


class ReadOnlyInline(TenantInline):
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NamedSelect(AutocompleteSelect):
    """Where nothing is chosen it says so; without a word in it, a screen reader has no name for the field."""

    def build_attrs(self, *args: Any, **options: Any) -> dict[str, Any]:
        return {**super().build_attrs(*args, **options), "data-placeholder": str(_("All"))}


class NamedDropdownForm(AutocompleteDropdownForm):
    widget = NamedSelect


class OwnAutocompleteFilter(AutocompleteSelectFilter):
    """Filter by a row of another table, found by typing; only rows of one's own merchants have a name here."""

    form_class = NamedDropdownForm

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Nothing for a row that is not theirs: asked for both, PostgreSQL reads the whole table to find none."""
        found: QuerySet[Any] = super().queryset(request, queryset)
        model = self.field.remote_field.model
        path = path_to_merchant(model)
        if not self.value() or not path or merchant_keys(request.user) is None:
            return found
        theirs = within(model._default_manager.filter(pk=self.value()), request.user, path=path)
        return found if theirs.exists() else queryset.none()

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            field = choice["form"].fields[self.lookup_kwarg]
            path = path_to_merchant(field.queryset.model)
            if path:
                field.queryset = within(field.queryset, self.request.user, path=path)
            yield choice

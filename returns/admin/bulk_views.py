"""Acts on many returns: a page that states how many and what will happen, and the run with its progress and result."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from merchants.act_pages import ReasonForm
from merchants.staff import EVERY_MERCHANT, within
from merchants.tenant_admin import ReadOnlyAdmin
from returns.acts import Name
from returns.admin.act_views import EFFECTS, MayBeEmptyForm
from returns.admin.dry_run_words import line_in_words
from returns.bell import bell
from returns.bulk import (
    MOST,
    MOST_FILTERS,
    MOST_REHEARSED,
    TooManyError,
    cancel_run,
    progress,
    start_run,
    what_would_differ,
)
from returns.models import BulkItem, BulkOutcome, BulkRun, TikTokReturn
from returns.rehearsals import WITH_DRY_RUN

ACT, KEYS = "act", "keys"  # in the address, beside the list's own filters
SHOWN = 100  # items of the result, of each outcome
RESULTS = (  # as they are listed
    BulkOutcome.FAILED,
    BulkOutcome.UNTOLD,
    BulkOutcome.DIFFERS,
    BulkOutcome.SKIPPED,
    BulkOutcome.DONE,
    BulkOutcome.SAME,
)


class BulkViews:
    """Mixed into the admin of returns: the page before a run over a selection, or over all that the list finds."""

    opts: Any
    admin_site: Any
    may: Any
    message_user: Any
    get_queryset: Any
    get_changelist_instance: Any
    has_view_permission: Any

    def bulk_urls(self) -> list[URLPattern]:
        return [path("bulk/", self.admin_site.admin_view(self.bulk_view), name="returns_tiktokreturn_bulk")]

    def to_bulk_page(self, name: Name, queryset: QuerySet[TikTokReturn]) -> HttpResponse:
        keys = ",".join(str(key) for key in queryset.values_list("pk", flat=True))
        address = reverse("admin:returns_tiktokreturn_bulk")
        return HttpResponseRedirect(f"{address}?{urlencode({ACT: name.value, KEYS: keys})}")

    def found(self, request: HttpRequest, query: QueryDict) -> QuerySet[TikTokReturn]:
        """What the list finds under this address, or the rows it names; of one's own merchants alone."""
        if KEYS in query:
            keys = [int(key) for key in str(query[KEYS]).split(",") if key.isdigit()]
            rows: QuerySet[TikTokReturn] = self.get_queryset(request).filter(pk__in=keys)
            return rows
        filters = query.copy()
        filters.pop(ACT, None)
        request.GET = filters  # type: ignore[assignment]  # the changelist reads its filters there
        listed = self.get_changelist_instance(request)
        found: QuerySet[TikTokReturn] = listed.get_queryset(request)
        return found

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.copy()
        if not self.has_view_permission(request):
            raise PermissionDenied
        allowed = [name for name in Name if self.may(request, name.value)]
        if not allowed:
            raise PermissionDenied
        name = next((each for each in allowed if each.value == query.get(ACT)), None)
        rows = self.found(request, query)
        count = rows.order_by().values("pk")[: MOST + 1].count()
        form = None
        if name is not None:
            is_rehearsal = "dry" in request.POST and name in WITH_DRY_RUN
            wants_no_reason = is_rehearsal or name is Name.RUN_AGAIN
            form = (MayBeEmptyForm if wants_no_reason else ReasonForm)(
                request.POST if request.method == "POST" else None
            )
            if form.is_bound and form.is_valid() and count:
                filters = {key: value for key, value in query.lists() if key not in {ACT, KEYS}}
                try:
                    run = start_run(
                        name=name,
                        returns=rows,
                        by=request.user,  # type: ignore[arg-type]  # signed in: the admin's view sees to it
                        reason=form.cleaned_data["reason"],
                        filters=urlencode(filters, doseq=True),
                        now=timezone.now(),
                        is_rehearsal=is_rehearsal,
                    )
                except TooManyError as error:
                    form.add_error(None, str(error))
                else:
                    bell.ring()
                    return HttpResponseRedirect(reverse("admin:returns_bulkrun_change", args=[run.pk]))
        rest = {key: value for key, value in query.lists() if key != ACT}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Act on many returns"),
            "opts": self.opts,
            "count": count,
            "too_many": count > MOST,
            "most": MOST,
            "is_selection": KEYS in query,
            "acts": [
                {"label": each.label, "effect": EFFECTS[each], "url": f"?{urlencode({**rest, ACT: each.value}, True)}"}
                for each in allowed
            ],
            "chosen": name,
            "effect": EFFECTS[name] if name else "",
            "form": form,
            "has_dry_run": name in WITH_DRY_RUN,
            "most_rehearsed": MOST_REHEARSED,
            "back": f"{reverse('admin:returns_tiktokreturn_changelist')}"
            + ("" if KEYS in query else f"?{urlencode(rest, doseq=True)}"),
        }
        return TemplateResponse(request, "admin/returns/bulk.html", context)


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin):
    """One's own runs; those who see every merchant see everybody's."""

    list_display = ("started_at", "what", "total", "started_by", "reason", "finished_at")
    list_select_related = ("started_by",)
    fieldsets = ()  # the page is a template of its own
    change_form_template = "admin/returns/bulk_run.html"

    class Media:
        css = {"all": ("returns/admin.css",)}
        js = ("returns/admin.js",)

    @admin.display(description=_("Act"), ordering="act")
    def what(self, run: BulkRun) -> str:
        return run.get_act_display()

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkRun]:
        rows: QuerySet[BulkRun] = super().get_queryset(request).select_related("started_by")
        return rows if request.user.has_perm(EVERY_MERCHANT) else rows.filter(started_by=request.user.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: BulkRun | None = None) -> list[str]:
        return []

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        run: Any = options.get("obj")
        items = within(
            BulkItem.objects.filter(run=run)
            .select_related("tiktok_return")
            .only("outcome", "detail", "tiktok_return__return_id", "tiktok_return__status", "tiktok_return__reason"),
            request.user,
        )
        counts = progress(run)
        parts = [
            (
                outcome.label,
                counts[outcome.value.lower()],
                [(item, line_in_words(item.detail)) for item in items.filter(outcome=outcome).order_by("pk")[:SHOWN]],
            )
            for outcome in RESULTS
        ]
        more = {
            "run": run,
            "counts": counts,
            "handled": run.total - counts["todo"],
            "untold": counts["untold"] + counts["failed"],
            "parts": parts,
            "shown": SHOWN,
            "would_differ": _would_differ(items) if run.is_rehearsal else [],
            "then": _then(run, items=items) if run.is_rehearsal and run.finished_at else [],
            "may_cancel": self.may(request, "cancel") or run.started_by_id == request.user.pk,
        }
        return super().render_change_form(request, {**context, **more}, *args, **options)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cancel_view)
        return [path("<int:key>/cancel/", view, name="returns_bulkrun_cancel"), *super().get_urls()]

    def cancel_view(self, request: HttpRequest, key: int) -> HttpResponse:
        run = self.get_object(request, str(key))
        if not self.has_view_permission(request, run) or request.method != "POST":
            raise PermissionDenied
        if cancel_run(run, by=request.user, now=timezone.now()):  # type: ignore[arg-type]  # signed in
            self.message_user(request, _("Cancelled. What was done stays done."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:returns_bulkrun_change", args=[run.pk]))


def _would_differ(items: QuerySet[BulkItem]) -> list[tuple[str, int]]:
    return [(line_in_words(summary), number) for summary, number in what_would_differ(items)]


def _then(run: BulkRun, *, items: QuerySet[BulkItem]) -> list[tuple[Any, str]]:
    """After a dry run: the pages that lead to the act itself, on those that would differ and on all that was found."""
    page, differ = reverse("admin:returns_tiktokreturn_bulk"), items.filter(outcome=BulkOutcome.DIFFERS)
    keys = ",".join(str(key) for key in differ.order_by("pk").values_list("tiktok_return", flat=True))
    act = Name(run.act)
    links = []
    if keys:
        said = _("{act}: those that would differ").format(act=act.label)
        links.append((said, f"{page}?{urlencode({ACT: run.act, KEYS: keys})}"))
    if run.found != run.total and len(run.filters) < MOST_FILTERS:
        said = _("{act}: all that the list finds").format(act=act.label)
        links.append((said, f"{page}?{run.filters}{'&' if run.filters else ''}{urlencode({ACT: run.act})}"))
    return links

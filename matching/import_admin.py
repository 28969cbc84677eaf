"""Imports of orders: upload a file, watch it, take what was rejected home. The workers carry it (`order_import.py`)."""

from pathlib import PurePath
from typing import Any

from django import forms
from django.contrib import admin
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from matching.import_models import OrderImport
from matching.order_file import OrderFileError, template
from matching.order_import import PART, kind_of, report_of, start_import
from merchants.tenant_admin import OwnAutocompleteFilter, ReadOnlyAdmin

LOOK_AGAIN_SECONDS = 3


class OrderImportForm(forms.ModelForm):
    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=_(
            "CSV with one row an item, or one JSON order a line, in UTF-8. Orders that are here change nothing."
        ),
    )

    class Meta:
        model = OrderImport
        fields = ("merchant",)

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        try:
            kind_of(file.read(PART), size=file.size or 0)
        except OrderFileError as error:
            raise forms.ValidationError(str(error)) from error
        file.seek(0)
        return file


@admin.register(OrderImport)
class OrderImportAdmin(ReadOnlyAdmin):
    add_form = OrderImportForm
    list_display = ("file_name", "merchant", "progress", "orders", "rejected", "created_at", "started_by")
    list_filter = (("merchant", OwnAutocompleteFilter),)
    list_select_related = ("merchant",)
    search_fields = ("file_name__istartswith",)
    autocomplete_fields = ("merchant",)
    change_list_template = "admin/matching/orderimport/change_list.html"
    shown = (
        "file_name",
        "merchant",
        "kind",
        "size",
        "progress",
        "orders",
        "created",
        "changed",
        "unchanged",
        "outdated",
        "rejected",
        "report",
        "failure",
        "started_by",
        "created_at",
        "finished_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_form(
        self, request: HttpRequest, obj: OrderImport | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = self.add_form
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: OrderImport | None = None) -> tuple[str, ...]:
        return ("merchant", "file") if obj is None else self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: OrderImport | None = None) -> tuple[str, ...]:
        return () if obj is None else self.shown

    def get_urls(self) -> list[URLPattern]:
        return [
            path("template.csv", self.admin_site.admin_view(self.template_view), name="matching_orderimport_template"),
            path(
                "<int:key>/report",
                self.admin_site.admin_view(self.report_view),
                name="matching_orderimport_report",
            ),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: OrderImport, form: Any, change: bool) -> None:
        file: UploadedFile = form.cleaned_data["file"]
        made = start_import(
            merchant=obj.merchant,
            name=PurePath(file.name or "orders").name,
            size=file.size or 0,
            chunks=file.chunks(PART),
            by=request.user.get_username(),
            now=timezone.now(),
        )
        for field in OrderImport._meta.concrete_fields:
            setattr(obj, field.attname, getattr(made, field.attname))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if self.get_object(request, object_id).finished_at is None:
            response["Refresh"] = str(LOOK_AGAIN_SECONDS)
        return response

    def template_view(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(
            template(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": content_disposition_header(True, "orders.csv") or ""},
        )

    def report_view(self, request: HttpRequest, key: int) -> StreamingHttpResponse:
        found = self.get_object(request, str(key))
        if not self.has_view_permission(request, found) or not found.rejected:
            raise Http404
        name = PurePath(found.file_name)
        return StreamingHttpResponse(
            report_of(found),
            content_type="text/csv; charset=utf-8" if found.kind == "CSV" else "application/x-ndjson",
            headers={
                "Content-Disposition": content_disposition_header(True, f"{name.stem}.rejected{name.suffix}") or "",
                "Cache-Control": "no-store",
            },
        )

    @admin.display(description=_("Progress"))
    def progress(self, found: OrderImport) -> str:
        if found.failure:
            return str(_("Ended: %(why)s") % {"why": found.failure})
        return str(_("Done") if found.finished_at else _("%(percent)s %% done") % {"percent": found.percent})

    @admin.display(description=_("Orders"))
    def orders(self, found: OrderImport) -> int:
        return found.orders

    @admin.display(description=_("What was rejected"))
    def report(self, found: OrderImport) -> SafeString | str:
        if not found.rejected or not found.pk:
            return "-"
        address = reverse(f"{self.admin_site.name}:matching_orderimport_report", args=[found.pk])
        said = _("Download, mend, and upload again")
        return format_html('<a href="{}">{}</a>', address, said)

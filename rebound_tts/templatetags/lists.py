"""The rows of the admin's lists, as the theme shows them, for less of a page's time and size; times, on any page.

The theme builds the headers of all columns anew for each row and spells thirty class names out in each cell: of fifty
rows that made most of the page. Here a column is known once and admin.css has the looks. It shows what our lists have:
fields, methods, booleans, and the box that chooses a row; not what changes in the list, or has sections or row actions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field, quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import ManyToOneRel, Model
from django.template import Library
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from unfold.templatetags.unfold_list import result_headers
from unfold.utils import display_for_field, display_for_value

register = Library()
BOX = "action_checkbox"  # Django's name for the column that chooses rows
BOX_HTML = (
    '<td class="row-box" data-label="{0}">'
    '<input type="checkbox" class="action-select" name="{1}" value="{2}" aria-label="{0}"></td>'
)


@dataclass(frozen=True, slots=True)
class Column:
    """`opens` and `closes` stand around each value: the tags, with the label that a narrow window shows beside it."""

    name: Any  # of a field or a method; or the method
    is_linked: bool
    opens: SafeString
    closes: SafeString


@register.inclusion_tag("admin/list_rows.html")
def list_rows(cl: ChangeList) -> dict[str, Any]:
    headers = list(result_headers(cl))
    columns = list(_columns(cl, headers))
    link = _link_to_rows(cl)
    return {
        "cl": cl,
        "result_headers": headers,
        "num_sorted_fields": sum(1 for header in headers if header["sortable"] and header["sorted"]),
        # Cells are escaped one by one.
        "rows": [mark_safe("".join(_cell(cl, each, row, link) for each in columns)) for row in cl.result_list],  # noqa: S308
    }


def _columns(cl: ChangeList, headers: list[dict[str, Any]]) -> Iterator[Column]:
    linked = [name for name in cl.list_display if name in (cl.list_display_links or ())]
    for name, header in zip(cl.list_display, headers, strict=True):
        tag = "th" if name in linked[:1] else "td"
        yield Column(
            name,
            is_linked=name in linked,
            opens=format_html('<{} class="field-{}" data-label="{}">', tag, name, header["text"]),
            closes=format_html("</{}>", tag),
        )


def _link_to_rows(cl: ChangeList) -> tuple[str, str]:
    """What stands before and after a row's key in the address of its page; the way back to this list comes last."""
    if not cl.result_list:
        return "", ""
    first = cl.result_list[0]
    way = add_preserved_filters({"preserved_filters": cl.preserved_filters, "opts": cl.opts}, cl.url_for_result(first))
    before, _key, after = way.partition(f"/{quote(first.pk)}/")
    return f"{before}/", f"/{after}"


def _cell(cl: ChangeList, column: Column, row: Model, link: tuple[str, str]) -> str:
    if column.name == BOX:
        return format_html(BOX_HTML, _("Select record"), ACTION_CHECKBOX_NAME, row.pk)
    value = _value(cl, column.name, row)
    if column.is_linked:
        key = row.serializable_value(str(cl.to_field) if cl.to_field else cl.pk_attname)
        opener = format_html(' data-popup-opener="{}"', key) if cl.is_popup else ""
        value = format_html(
            '<a class="row-link" href="{}{}{}"{}>{}</a>', link[0], quote(row.pk), link[1], opener, value
        )
    return f"{column.opens}{conditional_escape(value)}{column.closes}"


def _value(cl: ChangeList, name: Any, row: Model) -> Any:
    empty = cl.model_admin.get_empty_value_display()
    try:
        field, method, value = lookup_field(name, row, cl.model_admin)
    except ObjectDoesNotExist:
        return empty
    if isinstance(value, datetime):
        return moment(value)
    if field is None or field.auto_created:
        empty = getattr(method, "empty_value_display", empty)
        return display_for_value(value, empty, getattr(method, "boolean", False))
    if isinstance(field.remote_field, ManyToOneRel):
        other = getattr(row, field.name)
        return empty if other is None else other
    return display_for_field(value, field, empty)


def moment(at: datetime) -> str:
    """As all times of the admin read, in every language: Django's own form names no zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def contents(field: Any) -> Any:
    """What a field of a page shows that is not edited."""
    _field, _attribute, value = getattr(field, "resolved_field", None) or (None, None, None)
    return moment(value) if isinstance(value, datetime) else field.contents()

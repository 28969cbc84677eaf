"""Sorted pages with opaque tokens, as TikTok's search calls give them.

A token holds the place after which the next page starts, not a row number: rows that arrive meanwhile shift nothing.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rebound_tts.sandbox import json_text
from rebound_tts.sandbox.tiktok_gateway import Call, invalid_parameter

Row = TypeVar("Row")
# makes every token contain '+', '/' and '=': a client that does not percent-encode must notice
_PREFIX = b"\xfb\xef\xff"


def page(
    call: Call,
    rows: Iterable[Row],
    *,
    key: Callable[[Row, str], tuple[int, str]],
    smallest: int,
    largest: int,
    default_size: int | None,
    default_order: str,
) -> tuple[list[Row], dict[str, Any]]:
    """One page of `rows` and the paging fields of the answer.

    `key` gives (time, id) of a row for a sort field; where `default_size` is None, page_size must be given.
    """
    size = call.number("page_size", smallest, largest, default_size)
    sort_field = call.choice("sort_field", ("create_time", "update_time"), "create_time")
    descending = call.choice("sort_order", ("ASC", "DESC"), default_order) == "DESC"
    ordered = sorted(rows, key=lambda row: key(row, sort_field), reverse=descending)
    total = len(ordered)
    token = call.text("page_token")
    if token:
        place = _read(token, sort_field, descending)
        ordered = [
            row for row in ordered if (key(row, sort_field) < place if descending else key(row, sort_field) > place)
        ]
    found = ordered[:size]
    fields: dict[str, Any] = {"total_count": total}
    if len(ordered) > size:
        fields["next_page_token"] = _write(key(found[-1], sort_field), sort_field, descending)
    return found, fields


def _write(place: tuple[int, str], sort_field: str, descending: bool) -> str:
    content = _PREFIX + json_text.write([*place, sort_field, descending]).encode()
    content += b" " if len(content) % 3 == 0 else b""
    return base64.b64encode(content).decode()


def _read(token: str, sort_field: str, descending: bool) -> tuple[int, str]:
    try:
        content = base64.b64decode(token, validate=True)
        time, row_id, token_field, token_descending = json_text.read(content.removeprefix(_PREFIX))
        if not isinstance(time, int) or not isinstance(row_id, str):
            raise TypeError
    except (ValueError, TypeError) as error:
        raise invalid_parameter("page_token", "this call did not give it out", "the last next_page_token") from error
    if (token_field, token_descending) != (sort_field, descending):
        raise invalid_parameter("page_token", "it belongs to another sorting", "the last next_page_token")
    return time, row_id

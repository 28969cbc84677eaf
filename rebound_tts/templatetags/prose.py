"""Prose of the documentation, whose sentences stand in the code: the API sends them as text, the pages show them."""

import re

from django.template import Library
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

register = Library()
IN_BACKTICKS = re.compile(r"`([^`]+)`")


@register.filter
def with_code(sentence: str) -> SafeString:
    """The sentence with what stands in backticks as <code>."""
    return mark_safe(IN_BACKTICKS.sub(r"<code>\1</code>", conditional_escape(sentence)))  # noqa: S308  # escaped before

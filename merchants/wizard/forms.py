"""Forms of the merchant's pages: labels, help, messages and inputs tied together for every reader and every browser.

The markup stands in templates/wizard/field.html. What a form means stands with its step.
"""

from django import forms
from django.contrib import messages
from django.forms.renderers import TemplatesSetting
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from merchants.wizard.session import typed_before


class WizardRenderer(TemplatesSetting):
    field_template_name = "wizard/field.html"


class PlainForm(forms.Form):
    """A form whose fields are drawn by `{{ form.name.as_field_group }}`, with its errors in `wizard/errors.html`."""

    default_renderer = WizardRenderer
    use_required_attribute = False  # a browser's own bubbles come one at a time and vanish; ours stay and say more
    error_css_class = "wrong"
    needed: tuple[str, ...] = ()  # fields that are not optional, though the form decides when they are missing

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # whatever Django's takes


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: an empty one that was sent is sent all the same, and one that was sent after the session
    had ended shows again after signing in, to be sent once more."""
    if request.method == "POST":
        return request.POST
    typed = typed_before(request)
    if typed is not None:
        messages.info(request, _("This is what you typed before you were signed out. Save it to keep it."))
    return typed

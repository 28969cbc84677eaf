"""The admin's site: one signs in through allauth, and needs a second factor where it is required."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found
from unfold.sites import UnfoldAdminSite


class StaffSite(UnfoldAdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        from rebound_tts.accounts import has_second_factor  # noqa: PLC0415  # allauth's models need loaded apps

        return super().has_permission(request) and has_second_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Where somebody goes who may not see a page: to sign in, or on to what is still missing."""
        wanted = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
            wanted = reverse("admin:index")
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': wanted})}")
        if not super().has_permission(request):
            raise PermissionDenied
        if self.has_permission(request):
            return HttpResponseRedirect(wanted)
        messages.warning(request, _("Add a second factor first: an authenticator app, or a passkey."))
        return HttpResponseRedirect(reverse("mfa_index"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from allauth.account.views import logout  # noqa: PLC0415  # allauth's models need loaded apps

        answer: HttpResponse = logout(request)
        return answer

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What is not there, for staff: the merchants' page would lead them into the wizard."""
    is_staffs = request.path.startswith(reverse("admin:index"))
    return page_not_found(request, exception, template_name="admin/404.html" if is_staffs else "404.html")

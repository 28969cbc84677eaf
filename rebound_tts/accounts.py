"""How staff sign in: what allauth asks of us, and the addresses of it that we have.

Nobody signs up: an administrator makes each account. Someone whom the identity provider names signs in to the account
of the same e-mail address, which the provider must have verified. Everything stands below /admin/, so that what keeps
the admin to certain networks keeps these pages too.
"""

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as account
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import LoginForm
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount import views as social
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from merchants.encryption import seal, unseal
from rebound_tts.client_address import client_address

TOTP_CONTEXT = "mfa.authenticator.secret"


class StaffBackend(AuthenticationBackend):
    """Reads what somebody may do in one query: what their roles were given, and what they were themselves."""

    def _get_user_permissions(self, user_obj: Any) -> QuerySet[Permission]:
        return Permission.objects.none()

    def _get_group_permissions(self, user_obj: Any) -> QuerySet[Permission]:
        of_roles = Group.permissions.through.objects.filter(group__user=user_obj).values("permission")
        return Permission.objects.filter(Q(pk__in=of_roles) | Q(pk__in=user_obj.user_permissions.values("pk")))


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """What attempts are counted by; requests by a socket without an address count as one."""
        return client_address(request) or "0.0.0.0"  # noqa: S104  # no address to bind to: a name for "none"


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False


class SecondFactorAdapter(DefaultMFAAdapter):
    """Keeps what codes are computed from encrypted, as every secret here."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal(text.encode(), context=TOTP_CONTEXT)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(base64.b64decode(encrypted_text), context=TOTP_CONTEXT).decode()


class SignInForm(LoginForm):
    """allauth's, without its way to a new password where no mail can leave."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.EMAIL_URL:
            self.fields["password"].help_text = ""


def by_mail(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page that promises a message. Where no mail can leave, it says who sets a new password instead."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if settings.EMAIL_URL else render(request, "account/no_mail.html")

    return told


def has_second_factor(request: HttpRequest) -> bool:
    """Whether whoever is signed in showed more than a password, or would have to at the next sign-in. An identity
    provider is taken to ask for its own second factor."""
    if not settings.STAFF_SECOND_FACTOR:
        return True
    user: Any = request.user
    if not hasattr(user, "_has_second_factor"):  # asked several times a page
        records = get_authentication_records(request, user)
        user._has_second_factor = any(each["method"] == "socialaccount" for each in records) or is_mfa_enabled(
            user, [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
        )
    return bool(user._has_second_factor)


to_sign_in = RedirectView.as_view(pattern_name="account_login")

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("password/reset/", by_mail(account.password_reset), name="account_reset_password"),
    path("password/reset/done/", by_mail(account.password_reset_done), name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("second-factor/", include("allauth.mfa.urls")),
    path("by/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("by/error/", social.login_error, name="socialaccount_login_error"),
    path("by/", include("allauth.socialaccount.providers.openid_connect.urls")),
    # allauth asks for the addresses of these pages; there is nothing to sign up for, and addresses are administrators'.
    path("sign-up/", to_sign_in, name="account_signup"),
    path("e-mail/", to_sign_in, name="account_email"),
    path("e-mail/sent/", to_sign_in, name="account_email_verification_sent"),
    path("by/sign-up/", to_sign_in, name="socialaccount_signup"),
    path("by/connections/", to_sign_in, name="socialaccount_connections"),
]

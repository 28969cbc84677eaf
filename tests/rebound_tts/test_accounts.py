"""How staff sign in: password, second factor, identity provider; nobody signs up, and guessing is cut short."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from merchants.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "a long password 1"
LOGIN, INDEX = reverse("account_login"), reverse("admin:index")


@pytest.fixture
def mona(db: None) -> User:
    return User.objects.create_user("mona", "mona@rebound.example", PASSWORD, is_staff=True)


@pytest.fixture
def strict(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True


def sign_in(client: Client, login: str = "mona", password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"login": login, "password": password, **more})


def page_at(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def code_now(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))


def confirm(client: Client) -> None:
    assert client.get(reverse("mfa_activate_totp"))["Location"].startswith(reverse("account_reauthenticate"))
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


def add_app(client: Client) -> str:
    """Add an authenticator app as a person does, who first confirms their password; answers its secret."""
    confirm(client)
    page = client.get(reverse("mfa_activate_totp"))
    assert page.status_code == 200
    secret: str = page.context["form"].secret
    answer = client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    assert answer.status_code == 302, answer.context["form"].errors
    return secret


# Passwords


@pytest.mark.parametrize("login", ["mona", "mona@rebound.example"])
def test_staff_sign_in_by_name_or_address_and_come_where_they_wanted(client: Client, mona: User, login: str) -> None:
    wanted = reverse("admin:merchants_shop_changelist")
    asked = client.get(wanted)
    assert asked["Location"] == f"{reverse('admin:login')}?next={wanted}"
    to_login = client.get(asked["Location"])
    assert to_login["Location"].startswith(LOGIN)
    assert client.get(to_login["Location"]).status_code == 200
    assert sign_in(client, login, next=wanted)["Location"] == wanted
    assert client.get(INDEX).status_code == 200


def test_wrong_password_says_nothing_about_who_exists(client: Client, mona: User) -> None:
    said = [sign_in(client, login, "wrong").context["form"].non_field_errors() for login in ("mona", "nobody")]
    assert said[0] == said[1]
    assert client.get(INDEX).status_code == 302


def test_guessing_is_cut_short_even_with_the_right_password(client: Client, mona: User) -> None:
    for _ in range(5):
        sign_in(client, password="wrong")
    answer = sign_in(client)
    assert answer.status_code == 200
    assert "Too many failed login attempts" in str(answer.context["form"].errors)
    assert client.get(INDEX).status_code == 302


def test_address_of_another_site_is_not_followed(client: Client, mona: User) -> None:
    assert sign_in(client, next="https://evil.example/")["Location"] == INDEX
    assert client.get(f"{reverse('admin:login')}?next=https://evil.example/")["Location"] == INDEX


def test_former_staff_do_not_get_in(client: Client, mona: User) -> None:
    mona.is_active = False
    mona.save()
    sign_in(client)
    assert client.get(INDEX).status_code == 302


def test_account_without_the_admin_is_refused_in_words(client: Client, mona: User) -> None:
    mona.is_staff = False
    mona.save()
    client.force_login(mona)
    assert client.get(INDEX, follow=True).status_code == 403


def test_signing_out_ends_the_session(client: Client, mona: User) -> None:
    client.force_login(mona)
    assert client.post(reverse("admin:logout"))["Location"] == LOGIN
    assert client.get(INDEX).status_code == 302


def test_nobody_signs_up(client: Client) -> None:
    for name in ("account_signup", "socialaccount_signup", "account_email"):
        answer = client.post(
            reverse(name),
            {"username": "eve", "email": "eve@example.com", "password1": PASSWORD, "password2": PASSWORD},
        )
        assert answer["Location"] == LOGIN
    assert User.objects.count() == 0


def test_password_is_reset_by_mail(client: Client, mona: User, mailoutbox: Any, settings: Any) -> None:
    settings.EMAIL_URL = "smtp://localhost"
    assert f'<a href="{reverse("account_reset_password")}">Forgot your password?</a>' in page_at(client, LOGIN)
    assert client.post(reverse("account_reset_password"), {"email": mona.email}).status_code == 302
    (mail,) = mailoutbox
    link = re.search(r"http://testserver(/\S+)", mail.body)
    assert link is not None
    page = client.get(link[1], follow=True)
    new = "another long password 2"
    assert client.post(page.request["PATH_INFO"], {"password1": new, "password2": new}).status_code == 302
    assert sign_in(client, password=new).status_code == 302


def test_without_mail_an_administrator_is_asked_for_a_password(client: Client, mona: User, mailoutbox: Any) -> None:
    assert "Forgot your password?" not in page_at(client, LOGIN)
    for name in ("account_reset_password", "account_reset_password_done"):
        assert "Ask an administrator for a new password" in page_at(client, reverse(name))
    sent = client.post(reverse("account_reset_password"), {"email": mona.email}, follow=True).content.decode()
    assert ("Ask an administrator" in sent, "We have sent you an email" in sent, mailoutbox) == (True, False, [])


# The second factor


def test_second_factor_is_asked_for_before_any_page(client: Client, mona: User, strict: None) -> None:
    assert sign_in(client).status_code == 302
    for name in ("index", "merchants_shop_changelist", "autocomplete"):
        assert client.get(reverse(f"admin:{name}")).status_code == 302
    answer = client.get(INDEX, follow=True)
    assert answer.request["PATH_INFO"] == reverse("mfa_index")
    assert "Add a second factor first" in answer.content.decode()
    add_app(client)
    assert client.get(INDEX).status_code == 200


def test_code_of_the_app_is_needed_from_then_on(client: Client, mona: User, strict: None) -> None:
    sign_in(client)
    secret = add_app(client)
    again = Client()
    assert sign_in(again)["Location"] == reverse("mfa_authenticate")
    assert again.get(INDEX).status_code == 302
    wrong = again.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert wrong.status_code == 200
    assert again.get(INDEX).status_code == 302
    right = code_now(secret)
    assert again.post(reverse("mfa_authenticate"), {"code": right})["Location"] == INDEX
    assert again.get(INDEX).status_code == 200
    # Somebody who read it over the shoulder comes too late.
    third = Client()
    sign_in(third)
    assert third.post(reverse("mfa_authenticate"), {"code": right}).status_code == 200
    assert third.get(INDEX).status_code == 302


def test_recovery_code_works_once(client: Client, mona: User, strict: None) -> None:
    sign_in(client)
    add_app(client)
    client.post(reverse("mfa_generate_recovery_codes"))
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert len(codes) == 10
    for works in (True, False):
        again = Client()
        sign_in(again)
        again.post(reverse("mfa_authenticate"), {"code": codes[0]})
        assert (again.get(INDEX).status_code == 200) is works


def test_secret_of_the_app_is_stored_sealed(client: Client, mona: User) -> None:
    sign_in(client)
    secret = add_app(client)
    assert secret not in json.dumps(Authenticator.objects.get(type="totp").data)


def test_passkeys_are_offered(client: Client, mona: User) -> None:
    assert "mfa_login" in client.get(LOGIN).content.decode()
    options = client.get(reverse("mfa_login_webauthn"), headers={"Accept": "application/json"}).json()
    assert options["request_options"]["publicKey"]["challenge"]
    sign_in(client)
    confirm(client)
    assert "creation_options" in client.get(reverse("mfa_add_webauthn")).content.decode()


def test_administrator_takes_a_lost_second_factor_away(admin_client: Client, client: Client, mona: User) -> None:
    sign_in(client)
    add_app(client)
    address = reverse("admin:auth_user_second_factor", args=[mona.pk])
    assert admin_client.get(address).status_code == 200
    assert Authenticator.objects.filter(user=mona).exists()
    assert admin_client.post(address, {"reason": "Lost her phone"}).status_code == 302
    assert not Authenticator.objects.filter(user=mona).exists()
    entry = AuditEntry.objects.latest("pk")
    assert (entry.act, entry.subject_name, entry.reason) == ("Removed the second factor", "mona", "Lost her phone")


# The identity provider


class Provider(BaseHTTPRequestHandler):
    """A pretend OpenID Connect provider; `person` is whom it vouches for."""

    person: dict[str, Any] = {}

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        base = f"http://{self.headers['Host']}"
        if self.path == "/.well-known/openid-configuration":
            self.answer(
                {
                    "issuer": base,
                    "authorization_endpoint": f"{base}/authorize",
                    "token_endpoint": f"{base}/token",
                    "userinfo_endpoint": f"{base}/userinfo",
                    "jwks_uri": f"{base}/jwks",
                    "token_endpoint_auth_methods_supported": ["client_secret_post"],
                }
            )
        else:
            self.answer(self.person)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 60})

    def answer(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def provider(settings: Any) -> Iterator[type[Provider]]:
    server = HTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    app = {
        "provider_id": "staff",
        "name": "Example",
        "client_id": "us",
        "secret": "ours",
        "settings": {"server_url": f"http://127.0.0.1:{server.server_port}"},
    }
    shipped = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {**shipped, "APPS": [app]}}
    yield Provider
    server.shutdown()
    server.server_close()


def come_back(client: Client, provider: type[Provider], **person: Any) -> Any:
    """Start at the provider, and come back with a code."""
    provider.person = {"sub": "1", "email": "mona@rebound.example", "email_verified": True, **person}
    away = client.get(reverse("openid_connect_login", args=["staff"]))
    assert away.status_code == 302, away.content
    query = parse_qs(urlsplit(away["Location"]).query)
    assert query["client_id"] == ["us"]
    assert "code_challenge" in query
    return client.get(
        reverse("openid_connect_callback", args=["staff"]), {"code": "a-code", "state": query["state"][0]}
    )


def test_provider_is_offered_where_one_is_configured(client: Client, provider: type[Provider]) -> None:
    assert "Sign in with Example" in client.get(LOGIN).content.decode()


def test_provider_signs_in_whom_it_knows_by_address(
    client: Client, provider: type[Provider], mona: User, strict: None
) -> None:
    assert come_back(client, provider)["Location"] == INDEX
    page = client.get(INDEX)
    assert (page.status_code, page.context["user"]) == (200, mona)
    # From now on by the provider's own id, whatever becomes of the address.
    again = Client()
    come_back(again, provider, email="other@rebound.example")
    assert again.get(INDEX).context["user"] == mona


@pytest.mark.parametrize("person", [{"email": "eve@example.com"}, {"email_verified": False}])
def test_provider_opens_no_new_account(
    client: Client, provider: type[Provider], mona: User, person: dict[str, Any]
) -> None:
    answer = come_back(client, provider, **person)
    assert answer.status_code in {200, 302}
    assert client.get(INDEX).status_code == 302
    assert User.objects.count() == 1


def test_answer_to_a_question_of_somebody_else_is_refused(client: Client, provider: type[Provider], mona: User) -> None:
    client.get(reverse("openid_connect_callback", args=["staff"]), {"code": "a-code", "state": "planted"})
    assert client.get(INDEX).status_code == 302

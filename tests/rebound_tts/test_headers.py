"""What a browser may do with an answer, area by area."""

import ipaddress

import pytest

from rebound_tts.middleware import ADMIN_POLICY, FOR_MACHINES, PAGE_POLICY

pytestmark = pytest.mark.django_db


def policy(answer) -> dict[str, str]:
    """The directives of the answer's policy."""
    parts = (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("address", ["/docs/orders", "/docs/api", "/no/such/page"])
def test_page_runs_our_own_files_alone(client, address):
    answer = client.get(address)
    assert policy(answer) == PAGE_POLICY
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert (answer["X-Content-Type-Options"], answer["Referrer-Policy"]) == ("nosniff", "same-origin")
    assert (answer["X-Frame-Options"], answer["Cross-Origin-Opener-Policy"]) == ("DENY", "same-origin")
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Permissions-Policy"] == "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def test_admin_may_compute_in_expressions(client):
    answer = client.get("/admin/login/")
    assert policy(answer) == ADMIN_POLICY
    assert "unsafe-inline" not in policy(answer)["script-src"]


@pytest.mark.parametrize("address", ["/api/v1/whoami", "/oauth2/token", "/livez", "/readyz"])
def test_answer_to_a_machine_runs_nothing(client, address):
    answer = client.post(address)
    assert (answer["Content-Security-Policy"], answer["X-Content-Type-Options"]) == (FOR_MACHINES, "nosniff")


@pytest.mark.parametrize(("sender", "status"), [("10.0.0.7", 200), ("192.0.2.1", 404)])
def test_admin_is_there_for_its_networks_alone(client, settings, sender, status):
    settings.ADMIN_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    assert client.get("/admin/account/login/", REMOTE_ADDR=sender).status_code == status
    assert client.get("/docs/orders", REMOTE_ADDR=sender).status_code == 200

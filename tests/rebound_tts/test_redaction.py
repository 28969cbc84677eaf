"""The whole story at debug level, with planted secrets: no line of the log and no page shows one, nor any address.

The sandbox gives every buyer the planted name and address, and shows them to us unmasked.
"""

import base64
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from merchants.api_access import create_client
from merchants.models import ApiScope, ReboundAccount, Shop, ShopAuthorization
from rebound_tts.logs import CorrelationFilter, JsonFormatter
from rebound_tts.sandbox import buyers
from returns.models import TikTokReturn
from tests.returns.conftest import bell, scene, send, tell, work  # noqa: F401  # fixtures of the returns' tests
from tests.returns.scene import Scene

admin.autodiscover()

# The planted buyer's, and of the address that the story's OMS pushes to ReBound.
ADDRESS = (
    "14 Quay Street",
    "Plantedfirst",
    "Plantedlast",
    "Planted Mews",
    "Plantedtown",
    "Plantedshire",
    "PL4 7ED",
    "20794",
)
ROWS = 3  # of each table, whose pages are looked at


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    _, first, last, street, city, state, postcode, _ = ADDRESS
    monkeypatch.setattr(buyers, "_FIRST", (first,))
    monkeypatch.setattr(buyers, "_LAST", (last,))
    monkeypatch.setattr(buyers, "_STREETS", {"GB": (street,)})
    monkeypatch.setattr(buyers, "_CITIES", {"GB": ((city, state, postcode),)})


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the product's handler writes at LOG_LEVEL=DEBUG; the loggers that settings.py quiets stay quiet."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(CorrelationFilter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def secrets() -> set[str]:
    """Everything that lets somebody in, as it is now."""
    found = {settings.SECRET_KEY, settings.TIKTOK_APP_SECRET}
    found |= {base64.b64encode(key).decode() for key in settings.FIELD_ENCRYPTION_KEYS.values()}
    for row in ShopAuthorization.objects.all():
        found |= {row.access_token, row.refresh_token}
    for row in ReboundAccount.objects.all():
        found |= {row.client_secret, row.access_token, row.events_secret, row.former_events_secret}
    found |= set(Shop.objects.values_list("cipher", flat=True))
    return found - {""}


def shown(text: str, secret: set[str]) -> list[str]:
    return sorted(each for each in secret | set(ADDRESS) if each in text)


def play(scene: Scene, tell: Callable[..., Any]) -> None:  # noqa: F811  # the fixtures, handed on
    """Every chapter, with remotes that fail on the way."""
    scene.settings(webhook_url="http://127.0.0.1:9/", mask_addresses=False)
    # Vendors that say back what they were sent.
    token = ShopAuthorization.objects.all()[0].access_token
    echo = {"message": f"no carrier for {ADDRESS[0]}"}
    scene.fault("rebound", "status", method="POST", path_contains="return-orders", status=500, body=echo)
    linked = scene.buys_and_returns(scene.story.cast.oms)  # alone, since only its creation holds that address
    tell(linked.player, linked.return_id, "")
    scene.work()
    scene.fault("rebound", "html", times=1)
    scene.fault("tiktok", "code", code=36009003, message=f"access_token {token} of {token}", times=2)
    scene.fault("tiktok", "drop_after", times=1, skip=5)
    told = [*scene.story.first_chapter(), *scene.story.chapters()]
    for expected in told:
        tell(expected.player, expected.return_id, "")
    scene.work()
    for act in scene.story.later:
        act()
    scene.passes(minutes=2)
    scene.settings(webhook_url="")


def test_neither_log_nor_pages_show_a_secret_or_an_address(
    scene: Scene,  # noqa: F811
    tell: Callable[..., Any],  # noqa: F811
    log: io.StringIO,
) -> None:
    known = secrets()
    _, issued = create_client(
        merchant=Shop.objects.all()[0].merchant, name="OMS", scopes=[ApiScope.ORDERS_WRITE.value], now=timezone.now()
    )
    play(scene, tell)
    known |= secrets() | {issued.plain}

    held = [row.buyer_address for row in TikTokReturn.objects.all() if row.buyer_address]
    assert any("Plantedtown" in str(address) for address in held)  # there is something that could leak
    written = log.getvalue()
    assert written.count("remote call") > 50
    assert "no carrier for" in written
    assert [(line, found) for line in written.splitlines() if (found := shown(line, known))] == []

    pages = 0
    for address, text in admin_pages():
        pages += 1
        assert (address, shown(text, known)) == (address, [])
    assert pages > 30
    assert shown(log.getvalue(), known) == []


def admin_pages() -> Iterator[tuple[str, str]]:
    """Each list of the admin and the pages of its first rows, as somebody who may see everything."""
    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.create_superuser("all", "all@example.com", "a long pass phrase"))
    yield "/admin/", body_of(client, "/admin/")
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"{name}_changelist")
        yield address, body_of(client, address)
        for key in list(model._default_manager.order_by("-pk").values_list("pk", flat=True)[:ROWS]):
            for page in ("change", "history"):
                address = reverse(f"{name}_{page}", args=[key])
                yield address, body_of(client, address)


def body_of(client: Client, address: str) -> str:
    answer = client.get(address, follow=True)
    assert answer.status_code in {200, 403, 404}, address
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/no/such/page", "/webhooks/tiktok", "/api/v1/nothing", "/admin/no/such/"])
def test_error_page_says_nothing_of_us(client: Client, address: str) -> None:
    text = client.get(address).content.decode()
    assert [word for word in ("Traceback", "settings", "DEBUG", *secrets()) if word in text] == []


@pytest.mark.django_db
def test_crash_shows_no_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError(settings.TIKTOK_APP_SECRET)

    monkeypatch.setattr("matching.api.pages.render", crash)
    answer = Client(raise_request_exception=False).get("/docs/orders")
    assert (answer.status_code, settings.TIKTOK_APP_SECRET in answer.content.decode()) == (500, False)


def test_every_app_of_ours_is_looked_at() -> None:
    ours = {"merchants", "matching", "returns"}
    assert ours <= {model._meta.app_label for model in admin.site._registry}
    assert ours <= {config.label for config in apps.get_app_configs()}

"""The page for a person: the whole story by its forms, in words when something is wrong."""

import re
from typing import Any

import pytest
import requests

from rebound_tts.sandbox.server import Sandbox
from tests.sandbox.conftest import PNG, Control, TikTokClient


@pytest.fixture
def post(sandbox: Any, http: requests.Session, shop_id: str) -> Any:
    def send(path: str, **form: Any) -> requests.Response:
        return http.post(f"{sandbox.url}/page/{path}", data={"shop_id": shop_id, **form}, timeout=5)

    return send


def test_story_from_buying_to_the_code_on_the_phone(
    sandbox: Any, control: Control, tiktok: TikTokClient, post: Any, http: requests.Session
) -> None:
    bought = post("orders", **{"quantity_MUG-BLUE": "2"})
    order = control.get("state")["orders"][-1]
    ids = {"order_id": order["id"], "platform": "MAGENTO", "external_order_id": "M-1"}
    written = post("references", **ids, client_id="rb-sandbox-client")
    line_id = order["line_items"][1]["id"]
    choice = {"return_type": "RETURN_AND_REFUND", "document_type": "QR_CODE", "approved": "1"}
    started = post("returns", order_id=order["id"], line_id=line_id, **choice)
    found = control.get("state")["returns"][-1]
    phone = f"{sandbox.url}/page/returns/{found['return_id']}"
    waiting = http.get(phone, timeout=5).text
    tiktok.upload(found["return_id"], files={"return_qr_code": ("code.png", PNG, "image/png")})
    shown = http.get(phone, timeout=5).text
    shipped = post("actions", order_id=order["id"], return_id=found["return_id"], action="ship")
    state = control.get("state")
    assert f"Bought: order {order['id']}" in bought.text
    assert "pushed the sales order to ReBound" in written.text
    assert f"Started: return {found['return_id']}" in started.text
    assert "Your label is being prepared" in waiting
    assert 'http-equiv="refresh"' in waiting
    assert 'http-equiv="refresh"' not in shown
    assert f"/page/returns/{found['return_id']}/label" in shown
    assert http.get(f"{phone}/label", timeout=5).content == PNG
    assert "BUYER_SHIPPED_ITEM" in shipped.text
    assert (found["return_status"], found["return_shipping_document_type"]) == ("AWAITING_BUYER_SHIP", "QR_CODE")
    assert state["returns"][-1]["return_status"] == "BUYER_SHIPPED_ITEM"
    assert state["references"][-1]["external_orders"][0]["id"] == "M-1"
    assert state["sales_orders"][-1]["clientOrderId"] == "M-1"


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("orders", {}, "Choose at least one piece to buy."),
        ("orders", {"quantity_MUG-BLUE": "many"}, "Type a number of pieces from 0 to 9"),
        ("orders", {"shop_id": "1"}, "there is no shop"),
        ("references", {"order_id": "1"}, "there is no order"),
        ("returns", {"order_id": "1"}, "there is no order"),
        ("actions", {"return_id": "1", "action": "ship"}, "This return is gone"),
    ],
)
def test_mistakes_are_answered_in_words(post: Any, path: str, form: dict[str, str], words: str) -> None:
    answer = post(path, **form)
    assert answer.status_code == 200
    assert words in re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL).group(1)  # type: ignore[union-attr]


def test_mistakes_of_an_order_are_answered_in_words(control: Control, post: Any) -> None:
    state = control.get("state")
    order, taken = state["orders"][0], state["returns"][0]["return_line_items"][0]["order_line_item_id"]
    kinds = {"return_type": "RETURN_AND_REFUND", "document_type": "QR_CODE"}
    pushed = state["sales_orders"][0]["clientOrderId"]
    known = {"platform": "SHOPIFY", "external_order_id": pushed, "client_id": "rb-sandbox-client"}
    answers = [
        post("returns", order_id=order["id"], **kinds),
        post("returns", order_id=order["id"], line_id=taken, **kinds),
        post("references", order_id=order["id"], platform="WIX", external_order_id="1"),
        post("references", order_id=order["id"], platform="SHOPIFY", external_order_id=" "),
        post("references", order_id=order["id"], **known),
        post("actions", return_id=state["returns"][0]["return_id"], action="receive"),
    ]
    found = [re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL) for answer in answers]
    assert [match.group(1) if match else None for match in found] == [
        "Choose at least one piece to return.",
        "One of these pieces is in a return already.",
        "Choose a platform.",
        "Type the order id of the OMS.",
        f"ReBound refused the order: A sales order with clientOrderId {pushed} exists.",
        "“Seller receives” is not possible any more: Waiting for the buyer to ship.",
    ]


def test_page_shows_a_shop_that_the_app_works_for(sandbox: Any, control: Control, http: requests.Session) -> None:
    """A return of any other waits for its label for ever, and the page says so."""
    shops = [control.post("sellers", seller_name=name, shops=[{"name": name}])["shops"][0] for name in ("Away", "Here")]
    for shop in sandbox.world.shops.values():
        shop.authorized = shop.id == shops[1]["id"]
    chosen = re.compile(r'<option value="([0-9]+)" selected>')

    def page(**query: str) -> str:
        return http.get(f"{sandbox.url}/", params=query, timeout=5).text

    assert chosen.findall(page()) == [shops[1]["id"]]
    assert "has not authorized the app" not in page()
    away = page(shop=shops[0]["id"])
    assert chosen.findall(away) == [shops[0]["id"]]
    assert "has not authorized the app, which therefore works for none of its returns" in away


def test_only_piece_of_an_order_is_chosen_already(
    sandbox: Any, control: Control, post: Any, http: requests.Session
) -> None:
    def chosen(pieces: int) -> int:
        page = post("orders", **{"quantity_MUG-BLUE": str(pieces)}).text
        return len(re.findall(r'name="line_id" value="[0-9]+" checked', page))

    assert [chosen(1), chosen(2)] == [1, 0]


def test_text_from_outside_is_escaped(sandbox: Any, http: requests.Session) -> None:
    page = http.get(f"{sandbox.url}/", params={"problem": "<script>alert(1)</script>"}, timeout=5).text
    assert "<script>alert" not in page


def test_pages_reach_no_outside_host(sandbox: Any, control: Control, http: requests.Session) -> None:
    return_id = control.get("state")["returns"][0]["return_id"]
    text = "".join(http.get(f"{sandbox.url}{path}", timeout=5).text for path in ("/", f"/page/returns/{return_id}"))
    hosts = set(re.findall(r"""(?:src|href|data|action)=["']?(https?://[^"'/ ]+)""", text))
    assert hosts == set()


def test_phone_of_an_unknown_return_says_so(sandbox: Any, http: requests.Session) -> None:
    answer = http.get(f"{sandbox.url}/page/returns/1", timeout=5)
    assert answer.status_code == 404
    assert "There is no such return" in answer.text


def test_empty_sandbox_says_what_to_do(http: requests.Session) -> None:
    with Sandbox(empty=True) as sandbox:
        page = http.get(f"{sandbox.url}/", timeout=5)
    assert page.status_code == 200
    assert "There is no shop yet" in page.text

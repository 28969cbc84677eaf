"""Links to other systems: what a template may be, and that an id never becomes more than an id."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from merchants.link_templates import filled, order_system_template, seller_center_template
from tests.factories import ShopFactory

GOOD = "https://seller.example/returns?id={return_id}"


@pytest.mark.parametrize(
    "template", [GOOD, "https://seller.example:8443/o/{order_id}/details#top", "https://seller.example/{order_id}"]
)
def test_template_with_one_known_place_is_taken(template: str) -> None:
    seller_center_template(template)


@pytest.mark.parametrize(
    "template",
    [
        "http://seller.example/{order_id}",
        "javascript:alert({order_id})",
        "//seller.example/{order_id}",
        "https:///{order_id}",
        "https://seller.example/",
        "https://seller.example/{order_id}/{order_id}",
        "https://seller.example/{order_id}/{return_id}",
        "https://seller.example/{external_order_id}",
        "https://seller.example/{order_id}/{",
        "https://seller.example/{{order_id}}",
        "https://{order_id}.example/",
        "https://{order_id}@seller.example/",
        "https://somebody:secret@seller.example/{order_id}",
        "https://seller.example:port/{order_id}",
        "https://[seller.example/{order_id}",
        "https://seller.example/ {order_id}",
        'https://seller.example/"onclick="{order_id}',
        "https://seller.example/\n{order_id}",
        "https://sеller.example/{order_id}",  # noqa: RUF001  # a Cyrillic letter: a host that looks like another
    ],
)
def test_template_that_could_lead_elsewhere_is_refused(template: str) -> None:
    with pytest.raises(ValidationError):
        seller_center_template(template)


def test_each_system_has_its_own_places() -> None:
    order_system_template("https://oms.example/{external_order_id}")
    with pytest.raises(ValidationError) as refused:
        order_system_template("https://oms.example/{order_id}")
    assert refused.value.messages == ["It needs exactly one of these: {external_order_id}"]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("1042", "https://seller.example/returns?id=1042"),
        ("#10/42 ä&x=1", "https://seller.example/returns?id=%2310%2F42%20%C3%A4%26x%3D1"),
        ("{return_id}", "https://seller.example/returns?id=%7Breturn_id%7D"),
        ("\\1", "https://seller.example/returns?id=%5C1"),
        ("", ""),
    ],
)
def test_id_is_quoted(value: str, address: str) -> None:
    assert filled(GOOD, return_id=value) == address


def test_template_for_another_id_and_no_template_give_no_link() -> None:
    assert filled(GOOD, order_id="1") == ""
    assert filled("", return_id="1") == ""


@pytest.mark.django_db
def test_shop_keeps_a_template_and_says_what_is_wrong_with_one(client: Client) -> None:
    shop = ShopFactory()
    client.force_login(User.objects.create_superuser("lead", "", None))
    address = reverse("admin:merchants_shop_change", args=[shop.pk])
    form = client.get(address).context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    inlines = {f"lanes-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    answer = client.post(address, {**sent, **inlines, "order_system_link": "http://oms.example/{external_order_id}"})
    assert answer.context["errors"] == [["Write a whole address that starts with https://, without spaces."]]
    client.post(address, {**sent, **inlines, "order_system_link": "https://oms.example/{external_order_id}"})
    shop.refresh_from_db()
    assert shop.order_system_link == "https://oms.example/{external_order_id}"

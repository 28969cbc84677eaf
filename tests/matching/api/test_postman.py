"""The Postman collection: every documented call, each of which works once the client's id and secret are filled in."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.factories import MerchantFactory
from tests.matching.api.conftest import Oms
from tests.matching.api.test_documentation import committed

pytestmark = pytest.mark.django_db
BASE = "http://testserver"


class Postman:
    """Sends the calls of a collection as Postman does: with its variables filled in, and what is disabled left out."""

    def __init__(self, collection: dict[str, Any], **given: str) -> None:
        self.calls: list[dict[str, Any]] = collection["item"]
        self.variables = {each["key"]: each["value"] for each in collection["variable"]} | given
        self.http = Client()

    def filled(self, text: str) -> str:
        for name, value in self.variables.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        assert "{{" not in text
        return text

    def send(self, call: dict[str, Any]) -> Any:
        request = call["request"]
        url = self.filled(request["url"]["raw"])
        for variable in request["url"]["variable"]:
            url = url.replace(f":{variable['key']}", variable["value"])
        headers = {each["key"]: each["value"] for each in request["header"] if not each.get("disabled")}
        if request["auth"]["type"] == "bearer":
            headers["Authorization"] = f"Bearer {self.filled(request['auth']['bearer'][0]['value'])}"
        body = request.get("body", {})
        kind, text = headers.pop("Content-Type", "text/plain"), body.get("raw", "")
        if body.get("mode") == "urlencoded":
            kind = "application/x-www-form-urlencoded"
            text = urlencode({each["key"]: self.filled(each["value"]) for each in body["urlencoded"]})
        answer = self.http.generic(request["method"], url.removeprefix(BASE), text, content_type=kind, headers=headers)
        if "event" in call:
            self.variables["access_token"] = answer.json()["access_token"]
        return answer


def served(client: Client) -> dict[str, Any]:
    response = client.get("/docs/order-sync.postman_collection.json")
    assert response["Content-Disposition"] == 'attachment; filename="order-sync.postman_collection.json"'
    found: dict[str, Any] = json.loads(response.content)
    return found


def test_every_documented_call_is_in_it_and_the_token_comes_first(client: Client) -> None:
    calls = served(client)["item"]
    documented = {each["summary"] for operations in committed()["paths"].values() for each in operations.values()}
    assert {call["name"] for call in calls} == documented
    assert (len(calls), calls[0]["name"]) == (len(documented), "Get an access token")


def test_every_call_works_with_the_clients_id_and_secret_alone(client: Client) -> None:
    oms = Oms(MerchantFactory())
    collection = served(client)
    assert {each["key"]: each["value"] for each in collection["variable"]} == {
        "base_url": BASE,
        "client_id": "",
        "client_secret": "",
        "access_token": "",
    }
    postman = Postman(collection, client_id=oms.client.client_id, client_secret=oms.secret.plain)
    answers = {call["name"]: postman.send(call).status_code for call in postman.calls}
    assert {name: status for name, status in answers.items() if status not in {200, 201, 204, 207}} == {}


def test_docs_lead_to_it(client: Client) -> None:
    assert 'href="/docs/order-sync.postman_collection.json"' in client.get("/docs/orders").content.decode()

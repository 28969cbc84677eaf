"""The OpenAPI file, its examples, the Swagger page, the guide whose commands run, the error catalog."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from matching.api.examples import LISTED_EXAMPLE, ORDER_EXAMPLE, PROBLEM_EXAMPLE, PUSHED_EXAMPLE
from rebound_tts.problems import TITLES
from tests.factories import MerchantFactory
from tests.matching.api.conftest import ROOT, Oms, order

pytestmark = pytest.mark.django_db  # the fixtures of this folder empty a cache that may be a table

COMMITTED = Path(__file__).parents[3] / "matching" / "api" / "openapi.yaml"
PAGES = ["/docs/orders", "/docs/errors", "/docs/api"]


def committed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMMITTED.read_text())
    return found


def is_valid(value: Any, name: str) -> bool:
    document = committed()
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def test_the_committed_file_is_what_the_views_are(tmp_path: Path) -> None:
    """If this fails: manage.py spectacular --validate --fail-on-warn --file matching/api/openapi.yaml"""
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    assert made.read_text() == COMMITTED.read_text()


def test_the_committed_file_is_the_served_one(client: Client) -> None:
    as_json = client.get("/api/v1/openapi.json")
    as_yaml = client.get("/api/v1/openapi.yaml", headers={"accept": "application/yaml"})
    assert json.loads(as_json.content) == committed()
    assert as_yaml.content == COMMITTED.read_bytes()
    assert [each["Content-Type"] for each in (as_json, as_yaml)] == [
        "application/vnd.oai.openapi+json",
        "application/vnd.oai.openapi",
    ]
    assert committed()["openapi"] == "3.1.0"
    assert client.post("/api/v1/openapi.json").json()["type"] == "/docs/errors#method_not_allowed"


def test_the_generator_is_not_loaded_to_serve() -> None:
    """It brings Django's and Python's test tools along: some 4 MB, shared by no two servers."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import django, sys; django.setup(); import rebound_tts.urls;"
            "print(*sorted({'drf_spectacular.plumbing', 'django.test', 'unittest'} & set(sys.modules)))",
        ],
        cwd=COMMITTED.parents[2],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "rebound_tts.settings"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert said.stdout.decode().split() == []


def test_every_call_is_documented() -> None:
    found = {(path, method) for path, methods in committed()["paths"].items() for method in methods}
    assert found == {
        ("/oauth2/token", "post"),
        ("/api/v1/whoami", "get"),
        ("/api/v1/match-coverage", "get"),
        ("/api/v1/sales-orders", "get"),
        ("/api/v1/sales-orders", "post"),
        ("/api/v1/sales-orders/{client_order_id}", "get"),
        ("/api/v1/sales-orders/{client_order_id}", "put"),
        ("/api/v1/sales-orders/{client_order_id}", "delete"),
        ("/api/v1/sales-orders:batch", "post"),
        ("/api/v1/sales-orders:validate", "post"),
    }


def test_examples_are_valid_against_the_schema() -> None:
    assert [is_valid(each, "SalesOrder") for each in (ORDER_EXAMPLE, LISTED_EXAMPLE)] == [True, True]
    assert is_valid(PUSHED_EXAMPLE, "PushedOrder")
    assert is_valid(PROBLEM_EXAMPLE, "Problem")
    assert not is_valid(PUSHED_EXAMPLE | {"result": "?"}, "PushedOrder")


def test_answers_are_valid_against_the_schema(oms: Oms) -> None:
    bad = order("x", clientMetadata=None, a=1)
    answers = [
        (oms.push(ORDER_EXAMPLE), "PushedOrder"),
        (oms.push(bad), "Problem"),
        (oms.call("POST", f"{ROOT}:batch", [bad, order(items=2)]), "BatchAnswer"),
        (oms.call("POST", f"{ROOT}:validate", bad), "Verdict"),
        (oms.call("POST", f"{ROOT}:validate", [bad, order(a=1)]), "Verdicts"),
        (oms.call("GET", f"{ROOT}?limit=1"), "OrderPage"),
        (oms.get("SO-1001"), "HeldOrderDetail"),
        (oms.get("nothing"), "Problem"),
        (oms.call("GET", "/api/v1/whoami"), "WhoAmI"),
        (oms.call("GET", "/api/v1/match-coverage?days=7"), "MatchCoverage"),
        (oms.call("GET", f"{ROOT}?limit=x"), "Problem"),
    ]
    assert [name for response, name in answers if not is_valid(response.json(), name)] == []


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_another_host(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert loaded
    assert [each for each in loaded if not each.startswith(("/", "#", "data:"))] == []


@pytest.mark.parametrize("path", [*PAGES, "/docs/conformance"])
def test_pages_are_in_english_for_every_browser_and_lead_to_each_other(client: Client, path: str) -> None:
    answer = client.get(path, headers={"accept-language": "de-AT,de;q=0.9"})
    page = answer.content.decode()
    assert ('<html lang="en">' in page, answer["Content-Language"]) == (True, "en")
    assert '<a href="/docs/orders">Guide</a>' in page
    assert [word for word in ("Anmelden", "Übermittlungen") if word in page] == []


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_documentation_begins_with_the_guide(client: Client, path: str) -> None:
    assert client.get(path)["Location"] == "/docs/orders"


def test_the_catalog_has_a_place_for_every_problem_type(client: Client) -> None:
    page = client.get("/docs/errors").content.decode()
    assert [code for code in TITLES if f'id="{code}"' not in page] == []


def test_the_catalog_shows_what_a_call_says_as_code(client: Client) -> None:
    page = client.get("/docs/errors").content.decode()
    assert "send <code>Authorization: Bearer &lt;token&gt;</code>." in page
    assert "its id stands in <code>ttsLineItemIds</code> once." in page
    assert "`" not in page


def test_the_guides_commands_run(live_server: Any, transactional_db: None) -> None:
    """Every command of the page, one after the other, in a shell with real curl."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine; CI has it")
    oms = Oms(MerchantFactory())
    page = Client().get("/docs/orders").content.decode()
    commands = [
        html.unescape(each) for each in re.findall(r'<pre class="run"[^>]*><code>(.*?)</code></pre>', page, re.S)
    ]
    script = 'set -euo pipefail\ncurl() { command curl --fail-with-body --max-time 20 "$@"; }\n'
    script += "".join(f"{command}\necho '{'=' * 8}'\n" for command in commands)
    done = subprocess.run(  # noqa: S603  # our own page
        ["/bin/bash", "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "BASE": live_server.url,
            "CLIENT_ID": oms.client.client_id,
            "CLIENT_SECRET": oms.secret.plain,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    said = [text.strip() for text in done.stdout.split("=" * 8 + "\n")]
    answers = [json.JSONDecoder().raw_decode(text)[0] if text else None for text in said]
    _token, who, pushed, keyed, put, named, batch, checked, one, page_of_two, coverage, cancelled, _end = answers
    assert (said[2].splitlines()[-1], cancelled) == ("201", 204)
    assert who["merchant"] == oms.merchant.name
    assert [each["result"] for each in (pushed, keyed, put, named)] == ["created"] * 4
    assert put["clientOrderId"] == "WEB/2026#117"
    assert [each["result"] for each in batch["results"]] == ["created", "rejected"]
    assert [error["code"] for error in checked["errors"]] == ["unknown_field", "oms_order_id_differs"]
    assert (one["clientOrderId"], one["matches"]) == ("SO-1001", [])
    assert coverage["returns"] == 0
    assert (len(page_of_two["content"]), page_of_two["nextCursor"] is None) == (2, False)

"""The order API as a Postman collection (format 2.1), made from the OpenAPI document that is served.

A developer fills in the client's id and secret, sends *Get an access token*, and every other call works: the token is
kept in the collection. What a call takes and answers stands in the OpenAPI document alone.
"""

import json
from typing import Any

from matching.api.document import TOKEN_PATH
from matching.api.examples import ORDER_EXAMPLE

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
JSON = "application/json"
KEEP_TOKEN = [
    "if (pm.response.code === 200) {",
    '    pm.collectionVariables.set("access_token", pm.response.json().access_token);',
    "}",
]
METHODS = ("get", "post", "put", "delete")


def collection(document: dict[str, Any], *, base_url: str) -> dict[str, Any]:
    """`document`: OpenAPI 3.1, as JSON. `base_url`: where the API is served, without a slash at its end."""
    calls = [
        _call(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]
    info = document["info"]
    return {
        "info": {
            "name": info["title"],
            "description": info["description"],
            "version": info["version"],
            "schema": FORMAT,
        },
        "auth": _bearer(),
        "variable": [
            {"key": "base_url", "value": base_url},
            {"key": "client_id", "value": ""},
            {"key": "client_secret", "value": ""},
            {"key": "access_token", "value": ""},
        ],
        "item": sorted(calls, key=lambda call: call["request"]["auth"]["type"] != "noauth"),  # the token comes first
    }


def _bearer() -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": "{{access_token}}", "type": "string"}]}


def _call(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    is_token = path == TOKEN_PATH
    content = operation.get("requestBody", {}).get("content", {})
    request = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "auth": {"type": "noauth"} if is_token else _bearer(),
        "header": [_optional(each) for each in parameters if each["in"] == "header"],
        "url": _url(path, parameters),
    }
    call: dict[str, Any] = {"name": operation["summary"], "request": request}
    if is_token:
        request["body"] = {"mode": "urlencoded", "urlencoded": _credentials()}
        call["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": KEEP_TOKEN}}]
    elif JSON in content:
        request["header"].append({"key": "Content-Type", "value": JSON})
        request["body"] = _first_example(content[JSON]["examples"])
    return call


def _url(path: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Postman writes a part of the path that varies as `:name`."""
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    return {
        "raw": "{{base_url}}/" + "/".join(parts),
        "host": ["{{base_url}}"],
        "path": parts,
        "query": [_optional(each) for each in parameters if each["in"] == "query"],
        "variable": [
            {"key": each["name"], "value": ORDER_EXAMPLE["clientOrderId"], "description": each.get("description", "")}
            for each in parameters
            if each["in"] == "path"
        ],
    }


def _optional(parameter: dict[str, Any]) -> dict[str, Any]:
    """Offered, and switched off: no call of the API needs one."""
    return {
        "key": parameter["name"],
        "value": str(parameter["schema"].get("default", "")),
        "description": parameter.get("description", ""),
        "disabled": True,
    }


def _credentials() -> list[dict[str, Any]]:
    given = {
        "grant_type": "client_credentials",
        "client_id": "{{client_id}}",
        "client_secret": "{{client_secret}}",
    }
    return [{"key": key, "value": value, "type": "text"} for key, value in given.items()]


def _first_example(examples: dict[str, Any]) -> dict[str, Any]:
    example = next(iter(examples.values()))["value"]
    return {
        "mode": "raw",
        "raw": json.dumps(example, indent=2, ensure_ascii=False),
        "options": {"raw": {"language": "json"}},
    }

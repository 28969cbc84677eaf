"""The running API, called with whatever its own OpenAPI file allows: no 500, no answer that the file does not have."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.factories import MerchantFactory
from tests.matching.api.conftest import Oms, order

COMMITTED = Path(__file__).parents[3] / "matching" / "api" / "openapi.yaml"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(yaml.safe_load(COMMITTED.read_text()), default=str)))
OPERATIONS = {
    operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations() if hasattr(operation, "ok")
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_whatever_the_file_allows_is_answered_as_the_file_says(label: str, live_server: Any) -> None:
    oms = Oms(MerchantFactory())
    oms.push(order())
    operation = OPERATIONS[label]
    headers = {"Authorization": f"Bearer {oms.token}"} if "token" not in label else {}

    @seed(7)
    @settings(
        max_examples=12,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        case.call_and_validate(base_url=live_server.url, headers=headers, checks=CHECKS, timeout=20)

    call()

"""`python -m rebound_tts.sandbox`: one line of JSON first, and an end at the first signal."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
import requests


def _run(*arguments: str) -> tuple["subprocess.Popen[str]", dict[str, Any]]:
    command = [sys.executable, "-m", "rebound_tts.sandbox", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_line_says_where_everything_is(number: signal.Signals) -> None:
    process, facts = _run()
    answers = [requests.get(facts[key], timeout=5).status_code for key in ("page_url",)]
    answers.append(requests.get(f"{facts['control_url']}/state", timeout=5).status_code)
    answers.append(requests.get(f"{facts['tiktok_url']}/nowhere", timeout=5).status_code)
    answers.append(requests.get(f"{facts['rebound_url']}/sales-orders", timeout=5).status_code)
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert answers == [200, 200, 404, 401]
    assert (process.returncode, rest, errors) == (0, "", "")
    assert facts["tiktok_url"] + "/rebound" == facts["rebound_url"]
    assert {"app_key", "app_secret", "service_id", "rebound_client_id", "rebound_client_secret"} <= facts.keys()


def test_empty_start_has_no_shop() -> None:
    process, facts = _run("--empty")
    state = requests.get(f"{facts['control_url']}/state", timeout=5).json()
    process.terminate()
    process.communicate(timeout=5)
    assert (facts["shop_id"], state["sellers"], len(state["rebound_clients"])) == (None, [], 1)

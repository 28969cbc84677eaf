"""The sandbox's control interface, as the demo speaks it: buyers, the OMS and faults, over HTTP."""

from typing import Any

import requests

TIMEOUT = 35.0  # seconds; waiting for webhooks may take 30


class SandboxControl:
    def __init__(self, control_url: str) -> None:
        self._url = control_url
        self._session = requests.Session()
        self._session.trust_env = False

    def post(self, path: str, **body: Any) -> Any:
        answer = self._session.post(f"{self._url}{path}", json=body, timeout=TIMEOUT)
        if not answer.ok:
            raise RuntimeError(f"The sandbox refused POST {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self._session.get(f"{self._url}{path}", timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()

    def label_of(self, return_id: str) -> tuple[str, bytes] | None:
        """What the buyer sees in the TikTok app: content type and bytes, or None while there is nothing."""
        answer = self._session.get(f"{self._url}/returns/{return_id}/label", timeout=TIMEOUT)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.headers.get("Content-Type", ""), answer.content

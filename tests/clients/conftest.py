"""The fixtures of the client tests: a fake remote with a transport of short limits, and the sandbox as a process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import ReboundClient
from rebound_tts.clients.tiktok_shop import TikTokAuthClient
from tests.clients.fake_remote import Remote, Tokens
from tests.clients.sandbox_remotes import Remotes, Seller, TikTokTokens, rebound_client, shop_client


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote()
    yield remote
    remote.close()


@pytest.fixture
def transport() -> Transport:
    return Transport(connect_timeout=10.0, read_timeout=10.0, total_timeout=20.0, max_answer_bytes=200_000)


@pytest.fixture
def impatient() -> Transport:
    """For answers that never end. Any other may be late on a busy machine, which must not look like this."""
    return Transport(connect_timeout=1.0, read_timeout=0.3, total_timeout=0.6, max_answer_bytes=200_000)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "rebound_tts.sandbox", "--port", "0", "--empty"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:  # noqa: S603 - ours
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())
        running.terminate()


@pytest.fixture
def remotes(sandbox_process: dict[str, Any]) -> Iterator[Remotes]:
    remotes = Remotes(sandbox_process)
    remotes.post("/reset", empty=True)
    yield remotes
    remotes.session.close()


@pytest.fixture
def seller(remotes: Remotes) -> Seller:
    made = remotes.post("/sellers", seller_name="Harbour", region="GB", shops=[{"name": "Harbour UK", "region": "GB"}])
    auth = TikTokAuthClient(
        base_url=remotes.connection["tiktok_url"],
        app_key=remotes.connection["app_key"],
        app_secret=remotes.connection["app_secret"],
        transport=remotes.transport,
    )
    tokens = TikTokTokens(auth, remotes.post("/authorization-codes", seller_id=made["seller_id"])["code"])
    (shop,) = made["shops"]
    return Seller(remotes, auth, tokens, shop["id"], shop_client(remotes, tokens, shop["cipher"]))


@pytest.fixture
def rebound(remotes: Remotes) -> ReboundClient:
    return rebound_client(remotes)

"""The audit of what is locked: it fails for what is known to be weak, and says so when it could not ask."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.clients.fake_remote import Remote, Reply

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "dependencies.py"


@pytest.fixture(scope="module")
def dependencies() -> Any:
    spec = importlib.util.spec_from_file_location("dependencies", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dependencies"] = module
    spec.loader.exec_module(module)
    return module


def run(act: str, *, osv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own script
        [sys.executable, str(SCRIPT), act],
        env={"OSV_URL": osv, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_locked_package_is_read(dependencies):
    packages = dependencies.locked(ROOT / "requirements.txt")
    names = {each.name.lower() for each in packages}
    direct = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    asked = {each.split(">")[0].split("[")[0].strip().lower() for each in direct}
    assert asked - names == set()
    assert all(each.hashes for each in packages)


def test_lock_is_whole_for_the_oldest_python_too(dependencies):
    """`make lock` with a Python from 3.11.3 on leaves this line out, and Debian 12 has 3.11.2: put it back by hand."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        assert 'async-timeout==5.0.1 ; python_full_version < "3.11.3"' in (ROOT / name).read_text()


def test_audit_that_cannot_ask_says_so_and_does_not_fail():
    done = run("audit", osv="http://127.0.0.1:9")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("NOT AUDITED: http://127.0.0.1:9 could not be asked (URLError:")


@pytest.mark.parametrize(("weak", "status"), [(False, 0), (True, 1)])
def test_audit_fails_for_a_known_weakness(dependencies, weak, status):
    count = len(dependencies.locked(ROOT / "requirements.txt"))
    results: list[dict[str, Any]] = [{} for _ in range(count)]
    if weak:
        results[0] = {"vulns": [{"id": "PYSEC-2026-1"}]}
    remote = Remote()
    try:
        remote.script.append(Reply(200, json.dumps({"results": results}).encode()))
        done = run("audit", osv=remote.url)
    finally:
        remote.close()
    assert done.returncode == status
    assert ("PYSEC-2026-1" in done.stdout) is weak
    assert len(remote.received[0].json()["queries"]) == count


def test_list_names_what_is_locked(dependencies):
    bom = json.loads(run("sbom", osv="").stdout)
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "rebound_tts")
    assert len(bom["components"]) == len(dependencies.locked(ROOT / "requirements.txt"))

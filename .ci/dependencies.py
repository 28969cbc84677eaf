"""`python .ci/dependencies.py audit|sbom`: what requirements.txt locks, against known weaknesses and as a list.

`audit` asks OSV (https://osv.dev), which has PyPI's advisories, and fails where a locked version has one. Where OSV
cannot be reached it says so and does not fail: a network that is away says nothing about a dependency. `sbom` prints
CycloneDX 1.5 JSON. Needs nothing but Python.
"""

import json
import os
import re
import sys
import tomllib
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OSV = os.environ.get("OSV_URL", "https://api.osv.dev")
SECONDS = 20


@dataclass(frozen=True)
class Locked:
    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name.lower()}@{self.version}"


def locked(path: Path) -> list[Locked]:
    """The packages of a hash-locked requirements file."""
    joined = path.read_text().replace("\\\n", " ")
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)([^\n]*)$", joined, re.MULTILINE)
    return [Locked(name, version, tuple(re.findall(r"sha256:([0-9a-f]{64})", rest))) for name, version, rest in found]


def advisories(packages: list[Locked]) -> dict[str, list[str]]:
    """Ids of what OSV knows against each package that has any. Raises OSError where OSV cannot be reached."""
    queries = [{"package": {"name": each.name, "ecosystem": "PyPI"}, "version": each.version} for each in packages]
    request = urllib.request.Request(  # noqa: S310  # an address of ours
        f"{OSV}/v1/querybatch",
        data=json.dumps({"queries": queries}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  # an address of ours
        results = json.load(answer)["results"]
    found = zip(packages, results, strict=True)
    return {each.purl: [known["id"] for known in result["vulns"]] for each, result in found if result.get("vulns")}


def audit() -> int:
    packages = locked(ROOT / "requirements.txt")
    try:
        found = advisories(packages)
    except (OSError, ValueError, KeyError) as error:
        reason = getattr(error, "reason", None) or error
        sys.stdout.write(f"NOT AUDITED: {OSV} could not be asked ({type(error).__name__}: {reason}).\n")
        return 0
    for purl, ids in found.items():
        sys.stdout.write(f"{purl}: {', '.join(ids)}, see https://osv.dev/vulnerability/{ids[0]}\n")
    sys.stdout.write(f"{len(packages)} packages audited, {len(found)} with known weaknesses.\n")
    return 1 if found else 0


def sbom() -> int:
    components: list[dict[str, Any]] = [
        {
            "type": "library",
            "name": each.name,
            "version": each.version,
            "purl": each.purl,
            "bom-ref": each.purl,
        }
        for each in locked(ROOT / "requirements.txt")
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": project["name"], "version": project["version"]}},
        "components": components,
    }
    sys.stdout.write(json.dumps(bom, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    acts = {"audit": audit, "sbom": sbom}
    if sys.argv[1:] and sys.argv[1] in acts:
        sys.exit(acts[sys.argv[1]]())
    sys.exit(f"Say one of: {', '.join(acts)}.")

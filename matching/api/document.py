"""The OpenAPI document as it is served: the committed file, which `schema.py` describes and a test holds to the views.

The generator is not loaded for it, since it takes 4 MB and a third of a second.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "openapi.yaml"
TOKEN_PATH = "/oauth2/token"  # an address


@cache
def document() -> dict[str, Any]:
    """What the file says. Not to be changed: it is read once."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found

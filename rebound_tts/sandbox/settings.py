"""The switches of the sandbox: how strict, how slow and in which dialect it answers.

Only values that `POST /control/settings` may change stand here; what exists in the world is in world.py.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlsplit

MOST = 10**9  # of any number here, seconds most of them


class UnknownSetting(Exception):
    """The name is not a setting, or the value does not fit it. `str()` says which."""


@dataclass
class Settings:
    webhook_url: str = ""  # the app-level webhook address in TikTok's Partner Center
    redirect_url: str = ""  # where the consent page sends the seller back to
    everything_200: bool = False  # TikTok answers every error with HTTP 200
    latency_ms: int = 0  # added to every call, where the remote has no latency of its own
    tiktok_latency_ms: int | None = None
    rebound_latency_ms: int | None = None
    access_token_seconds: int = 7 * 24 * 3600
    refresh_token_seconds: int = 365 * 24 * 3600
    rotation_grace_seconds: int = 0  # how long a rotated refresh token still works
    mask_addresses: bool = True
    check_document_type: bool = True  # the uploaded file must be of the kind that the buyer chose
    webhook_retry_scale: float = 1.0
    rate_limit_per_second: int = 0  # per shop and endpoint; 0 is off
    rate_limit_retry_after: int = 0  # seconds in Retry-After; 0 sends no such header
    rebound_token_seconds: int = 3600
    rebound_error_style: str = "problem"
    rebound_link_enabled: bool = True
    rebound_link_status: int = 404  # what a ReBound without linking answers
    rebound_upsert: bool = False
    rebound_events_url: str = ""
    rebound_events_secret: str = ""
    loose_sales_order_filter: bool = False
    metadata_shape: str = "A"
    label_by_url: bool = False

    def change(self, values: dict[str, Any]) -> None:
        """Set all of `values` or, where one is wrong, none; raises UnknownSetting."""
        kinds = {field.name: field.type for field in fields(self)}
        for name, value in values.items():
            if name not in kinds:
                raise UnknownSetting(f"{name}: there is no such setting; known are {', '.join(sorted(kinds))}")
            _check(name, value, str(getattr(kinds[name], "__name__", kinds[name])))
        for name, value in values.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_CHOICES: dict[str, tuple[Any, ...]] = {
    "rebound_error_style": ("problem", "spring", "text"),
    "metadata_shape": ("A", "B", "C"),
    "rebound_link_status": (404, 405),
}


def _check(name: str, value: Any, kind: str) -> None:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise UnknownSetting(f"{name}: one of {', '.join(map(str, _CHOICES[name]))} is expected, got {value!r}")
    if value is None and "None" in kind:
        return
    if kind == "bool":
        fits = isinstance(value, bool)
    elif kind == "str":
        fits = isinstance(value, str) and (not name.endswith("_url") or not value or _is_web_address(value))
    else:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
        fits = fits and (kind == "float" or isinstance(value, int))
    if not fits:
        wanted = "web address" if name.endswith("_url") else kind
        raise UnknownSetting(f"{name}: {value!r} is not a {wanted}")


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_fits and value.isprintable()

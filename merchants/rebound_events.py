"""Where ReBound sends an account's events, and the secret that signs them, which is renewed with overlap."""

import secrets

from django.db import transaction

from merchants.models import ReboundAccount

SECRET_BYTES = 32
KEY_BYTES = 24


def account_of_events(key: str) -> ReboundAccount | None:
    """The account whose events come in under this key, if it takes any."""
    found: ReboundAccount | None = ReboundAccount.objects.filter(events_key=key).first() if key else None
    return found if found is not None and events_secrets(found) else None


def events_secrets(account: ReboundAccount) -> list[str]:
    """The secrets that are good now: two while one replaces the other."""
    return [str(secret) for secret in (account.events_secret, account.former_events_secret) if secret]


def renew_events_secret(account: ReboundAccount, *, given: str = "") -> tuple[str, str]:
    """Start taking events, or renew their secret. Answers the key, which ends the address, and the new secret.

    The secret is made here unless ReBound gave one. The one before stays good until `end_former_secret`, so that no
    event is lost while ReBound is told.
    """
    with transaction.atomic():
        held = ReboundAccount.objects.select_for_update().get(pk=account.pk)
        held.former_events_secret = held.events_secret
        held.events_secret = given or secrets.token_urlsafe(SECRET_BYTES)
        held.events_key = held.events_key or secrets.token_urlsafe(KEY_BYTES)
        held.save(update_fields=["events_key", "events_secret", "former_events_secret"])
    return str(held.events_key), str(held.events_secret)


def end_former_secret(account: ReboundAccount) -> None:
    """ReBound signs with the new secret: the one before is good no more."""
    ReboundAccount.objects.filter(pk=account.pk).update(former_events_secret="")

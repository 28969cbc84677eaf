from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MerchantsConfig(AppConfig):
    name = "merchants"

    def ready(self) -> None:
        # After each app's migration, once Django has made the permissions that its models name.
        post_migrate.connect(_grant_roles, dispatch_uid="grant roles")


def _grant_roles(*, app_config: AppConfig, using: str, **_: Any) -> None:
    from merchants.staff import grant_roles  # noqa: PLC0415  # its models need loaded apps

    if app_config.label in {"merchants", "matching", "returns"}:
        grant_roles(app_label=app_config.label, using=using)

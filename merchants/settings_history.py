"""The settings of a shop over time: who changed what and when, and which were in force when a return was decided.

A version holds all settings, so that two are compared and one is read without the others. No secret is among them.
Whoever saves settings calls `note_settings`; it writes nothing where nothing changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Case, F, When
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from merchants.audit import kept

if TYPE_CHECKING:
    from merchants.models import Lane, Shop

FOUND = gettext_noop("as it was found")
Text = str | Promise
# By their names for people, in the order in which they are shown.
COLUMNS: dict[str, Text] = {
    "matching_enabled": _("Matching enabled"),
    "platform_origin": _("Platform origin"),
    "match_wait": _("Match wait"),
    "partly_matched_goes_direct": _("Partly matched goes direct"),
    "writes_references": _("Writes references"),
    "id_strip_prefix": _("ID strip prefix"),
    "id_strip_suffix": _("ID strip suffix"),
    "id_ignore_case": _("ID ignore case"),
    "id_trim_leading_zeros": _("ID trim leading zeros"),
}
ACCOUNT = {"rebound_account": _("ReBound account")}
LANE_COLUMNS: dict[str, Text] = {
    "contract": _("contract"),
    "carrier_service": _("carrier service"),
    "qr_carrier_service": _("QR carrier service"),
    "shipping_provider_id": _("shipping provider id"),
    "shipping_provider_name": _("shipping provider name"),
}


class ShopSettings(models.Model):
    """All settings of a shop, from this time until the next version."""

    merchant = models.ForeignKey("merchants.Merchant", on_delete=models.CASCADE, related_name="+")
    shop = models.ForeignKey("merchants.Shop", on_delete=models.CASCADE, related_name="settings_versions")
    number = models.PositiveIntegerField()
    settings = models.JSONField()
    changed_by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "settings version"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "shop", "number"], name="one_version_a_shop_and_number"),
        ]

    def __str__(self) -> str:
        return gettext("%(shop)s, version %(number)s") % {"shop": self.shop, "number": self.number}

    @property
    def changed_by_in_words(self) -> str:
        return gettext(FOUND) if self.changed_by == FOUND else self.changed_by


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that two versions do not share, in the reader's words. An empty value reads "-"."""

    setting: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Applied:
    """The settings in force at a time. `version` is None where none was ever noted; where the oldest was noted only
    after that time, it is given. `since`: what the settings of today differ in; `before` is then."""

    version: ShopSettings | None
    is_noted_later: bool
    since: list[Difference]


def settings_of(shop: "Shop") -> dict[str, Any]:
    """The settings as a version holds them: JSON values, lanes by country."""
    found: dict[str, Any] = {name: getattr(shop, name) for name in COLUMNS}
    found["match_wait"] = int(shop.match_wait.total_seconds())
    found["rebound_account"] = kept(shop.rebound_account or "")
    found["lanes"] = _by_country(shop.lanes.order_by("country"))
    return found


def _by_country(lanes: Iterable["Lane"]) -> dict[str, dict[str, Any]]:
    return {lane.country: {name: getattr(lane, name) for name in LANE_COLUMNS} for lane in lanes}


def note_settings(*, shop: "Shop", by: str, now: datetime, reason: str = "") -> ShopSettings | None:
    """Store the shop's settings as its newest version, unless they are what the newest says. Reads the shop anew, so
    that what was saved is what is noted."""
    with transaction.atomic():
        saved = type(shop).objects.select_for_update().get(pk=shop.pk)  # one writer of versions a shop
        newest = saved.settings_versions.order_by("-number").first()
        settings = settings_of(saved)
        if newest is not None and newest.settings == settings:
            return None
        return ShopSettings.objects.create(
            merchant_id=saved.merchant_id,
            shop=saved,
            number=newest.number + 1 if newest else 1,
            settings=settings,
            changed_by=by[:150],
            changed_at=now,
            reason=reason[:500],
        )


def note_what_was_found(*, shop: "Shop", now: datetime) -> None:
    """Before somebody changes settings: store what they are, where a version is missing, so that the next one says what
    was changed and not more."""
    note_settings(shop=shop, by=FOUND, now=now)


def copy_settings(
    *, source: "Shop", target: "Shop", lanes: Sequence["Lane"] | None, by: str, now: datetime, reason: str
) -> ShopSettings | None:
    """Give one shop the settings of another; its connection and its ReBound account stay its own. `lanes` replace those
    of the target; None leaves them alone. Answers the new version, None where nothing differed."""
    with transaction.atomic():
        note_what_was_found(shop=target, now=now)
        given = {name: getattr(source, name) for name in COLUMNS}
        type(target).objects.filter(pk=target.pk).update(**given)
        if lanes is not None:
            given_lanes = _by_country(lanes)
            target.lanes.all().delete()
            for country, columns in given_lanes.items():
                target.lanes.create(merchant_id=target.merchant_id, country=country, **columns)
        return note_settings(shop=target, by=by, now=now, reason=reason)


def after_copying(*, source: "Shop", target: "Shop", lanes: Sequence["Lane"] | None) -> dict[str, Any]:
    """What the target's settings would be; to compare with what they are."""
    found = settings_of(target)
    given = settings_of(source)
    given["rebound_account"] = found["rebound_account"]
    given["lanes"] = found["lanes"] if lanes is None else _by_country(lanes)
    return given


def settings_applied(*, shop: "Shop", at: datetime) -> Applied:
    """What decided a return of this time, beside what would decide it today."""
    # The newest of those before, else the oldest of those after.
    before = When(changed_at__lte=at, then=F("number") * -1)
    nearest = Case(before, default="number", output_field=models.IntegerField())
    version: ShopSettings | None = shop.settings_versions.order_by(nearest).first()
    since = differences(version.settings, settings_of(shop)) if version else []
    return Applied(version, is_noted_later=version is not None and version.changed_at > at, since=since)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """What differs, setting by setting and lane by lane."""
    return [
        Difference(name, old, new)
        for (name, old), (_same, new) in zip(_in_words(before, after), _in_words(after, before), strict=True)
        if old != new
    ]


def _in_words(settings: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each setting that either of the two has, by its name for people."""
    for name, said in (COLUMNS | ACCOUNT).items():
        yield str(said), value_in_words(name, settings.get(name))
    lanes, others = settings.get("lanes", {}), other.get("lanes", {})
    for country in sorted({*lanes, *others}):
        for name, said in LANE_COLUMNS.items():
            where = country or gettext("other countries")
            setting = gettext("Lane %(where)s, %(setting)s") % {"where": where, "setting": said}
            yield setting, value_in_words(name, lanes.get(country, {}).get(name), model="Lane")


def value_in_words(name: str, value: Any, *, model: str = "Shop") -> str:
    """The value of a setting as a version holds it, by its name for people where it has one."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if name == "match_wait" and isinstance(value, int):
        return f"{value // 60} min" if value % 60 == 0 else f"{value} s"
    if value in (None, ""):
        return "-"
    field: Any = apps.get_model("merchants", model)._meta.get_field(name)
    return str(dict(field.flatchoices).get(value, value))

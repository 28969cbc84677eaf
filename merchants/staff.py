"""ReBound's staff: which merchants each looks after, and what each role may do.

A role is a group of this name with the permissions below; `migrate` makes and mends it. An administrator is a superuser
and needs no group. What a person may do with a row is decided twice: by the role, and by whether the row's merchant is
one of theirs. A merchant outside one's own does not exist.
"""

from enum import StrEnum
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import models

Rows = TypeVar("Rows", bound="models.QuerySet[Any]")

EVERY_MERCHANT = "merchants.view_every_merchant"
BUYER_DATA = "merchants.view_buyer_data"


class StaffAssignment(models.Model):
    """A member of staff looks after a merchant."""

    merchant = models.ForeignKey("merchants.Merchant", on_delete=models.CASCADE, related_name="assignments")
    user = models.ForeignKey("auth.User", on_delete=models.CASCADE, related_name="assignments")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "user"], name="one_assignment_a_merchant_and_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user} looks after {self.merchant}"


class Role(StrEnum):
    VIEWER = "Viewer"
    MANAGER = "Implementation manager"
    LEAD = "Lead"


def _views(app: str, *names: str) -> frozenset[str]:
    return frozenset(f"{app}.view_{name}" for name in names)


SEES = (
    _views("merchants", "merchant", "shop", "lane", "shopauthorization", "reboundaccount", "apiclient", "apisecret")
    | _views("merchants", "shopsettings")
    | _views("matching", "salesorder", "salesorderitem", "match", "itemmatch", "orderpush", "orderimport")
    | _views("matching", "orderrelay", "orderfeed", "referencewrite", "coveragecheck")
    | _views("returns", "tiktokreturn", "tiktokreturnitem", "reboundreturn", "returnlabel", "stepattempt")
    | _views("returns", "webhookevent", "returnpoll", "alertchannel", "alertdelivery")
)
MENDS = frozenset(
    {
        BUYER_DATA,
        "merchants.view_auditentry",
        "merchants.change_shop",
        "merchants.pause_shop",
        "merchants.add_lane",
        "merchants.change_lane",
        "merchants.delete_lane",
        "merchants.add_reboundaccount",
        "merchants.change_reboundaccount",
        "merchants.add_apiclient",
        "merchants.change_apiclient",
        "matching.try_again_orderrelay",
        "matching.add_orderimport",
        "matching.try_again_referencewrite",
        "matching.add_coveragecheck",
        "returns.add_alertchannel",
        "returns.change_alertchannel",
        "returns.delete_alertchannel",
        "returns.try_alertchannel",
        "returns.run_again_tiktokreturn",
        "returns.match_again_tiktokreturn",
        "returns.send_direct_tiktokreturn",
        "returns.link_tiktokreturn",
        "returns.unlink_tiktokreturn",
        "returns.cancel_wait_tiktokreturn",
        "returns.resolve_tiktokreturn",
        "returns.export_tiktokreturn",
        "returns.replay_webhookevent",
        "returns.view_bulkrun",
    }
)
LEADS = frozenset(
    {
        EVERY_MERCHANT,
        "merchants.add_merchant",
        "merchants.change_merchant",
        "merchants.view_staffassignment",
        "merchants.add_staffassignment",
        "merchants.change_staffassignment",
        "merchants.delete_staffassignment",
    }
)
PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.VIEWER: SEES,
    Role.MANAGER: SEES | MENDS,
    Role.LEAD: SEES | MENDS | LEADS,
}


def merchant_keys(user: User | AnonymousUser) -> list[int] | None:
    """The keys of the merchants that this user looks after; None where that is all of them. One query a request: the
    answer stays on the user."""
    if not hasattr(user, "_merchant_keys"):
        keys: list[int] | None = []
        if user.is_authenticated:
            sees_all = user.has_perm(EVERY_MERCHANT)
            keys = (
                None
                if sees_all
                else list(StaffAssignment.objects.filter(user_id=user.pk).values_list("merchant_id", flat=True))
            )
        user._merchant_keys = keys  # type: ignore[union-attr]  # a memory of this request
    found: list[int] | None = user._merchant_keys  # type: ignore[union-attr]
    return found


def managers_of(merchant: models.Model) -> "models.QuerySet[User]":
    """The implementation managers who look after the merchant, to be named to it: those who have a name or an address.
    The name that they sign in with is nobody else's business."""
    found = User.objects.filter(assignments__merchant=merchant.pk, is_active=True, groups__name=Role.MANAGER)
    return found.exclude(first_name="", last_name="", email="").order_by("first_name", "last_name", "pk")


def within(rows: Rows, user: User | AnonymousUser, *, path: str = "merchant") -> Rows:
    """The rows of the user's own merchants; `path` leads from a row to its merchant. Rows of no merchant are for those
    who see every merchant."""
    keys = merchant_keys(user)
    return rows if keys is None else rows.filter(**{f"{path}__in": keys})


def path_to_merchant(model: type[models.Model]) -> str | None:
    """Where a row of this model says whose it is; None for models that belong to no merchant."""
    if model._meta.label_lower == "merchants.merchant":
        return "pk"
    return "merchant" if any(field.name == "merchant" for field in model._meta.concrete_fields) else None


def grant_roles(*, app_label: str, using: str) -> None:
    """Give each role's group exactly this app's part of its permissions. For after a migration."""
    of_the_app = Permission.objects.using(using).filter(content_type__app_label=app_label)
    for role, names in PERMISSIONS.items():
        wanted = {name.partition(".")[2] for name in names if name.startswith(f"{app_label}.")}
        group, _ = Group.objects.using(using).get_or_create(name=role.value)
        held = group.permissions
        held.remove(*held.filter(content_type__app_label=app_label).exclude(codename__in=wanted))
        held.add(*of_the_app.filter(codename__in=wanted))

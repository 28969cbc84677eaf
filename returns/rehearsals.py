"""What an act of a run over many would do to one of its returns, said in a line. Nothing is done.

The act itself is tried and rolled back, so that what refuses it refuses it here; what would follow from it, a dry run
says, which asks TikTok and ReBound.
"""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from returns.acts import ActRefusedError, Name, candidate_of, perform
from returns.bulk_models import BulkOutcome
from returns.dry_run import DryRun, dry_run
from returns.models import TikTokReturn

WITH_DRY_RUN = frozenset({Name.RUN_AGAIN, Name.MATCH_AGAIN, Name.LINK})
WITH_VALUES = {"return_status", "outcome", "kind"}  # few values each: returns are counted by what becomes of them


@dataclass(frozen=True, slots=True)
class Told:
    """`summary` is equal for returns that would fare alike; `detail` is of this one."""

    outcome: BulkOutcome
    detail: str
    summary: str = ""


def rehearse(*, name: Name, tiktok_return: TikTokReturn, actor: User, now: datetime) -> Told:
    """`name`: one of WITH_DRY_RUN."""
    try:
        candidate = candidate_of(tiktok_return) if name is Name.LINK else None
        with transaction.atomic():
            said = perform(
                name=name, tiktok_return=tiktok_return, actor=actor, reason="Dry run", now=now, candidate=candidate
            )
            transaction.set_rollback(True)
    except ActRefusedError as refused:
        return Told(BulkOutcome.SKIPPED, str(refused))
    if candidate is not None:
        return Told(BulkOutcome.DIFFERS, said, f"Linked: {candidate.hints[0]}")
    found = dry_run(tiktok_return=tiktok_return, now=now)
    if found.problem:
        return Told(BulkOutcome.UNTOLD, found.problem)
    if found.changes_nothing:
        return Told(BulkOutcome.SAME, "")
    return Told(BulkOutcome.DIFFERS, _detail(found), _summary(found))


def _summary(found: DryRun) -> str:
    said = []
    for each in found.differences:
        what = each.what.replace("_", " ").capitalize()
        if each.what in WITH_VALUES:
            said.append(f"{what}: {each.stored or 'none'} → {each.found or 'none'}")
        else:
            said.append("Items" if each.what.startswith("item ") else what)
    return "; ".join(dict.fromkeys([*said, *_next(found)]))


def _detail(found: DryRun) -> str:
    said = [f"{each.what}: {each.stored or '-'} → {each.found or '-'}" for each in found.differences]
    return "; ".join([*said, *_next(found)])


def _next(found: DryRun) -> list[str]:
    return [f"Steps: {', '.join(str(step.label) for step in found.steps)}"] if found.steps else []

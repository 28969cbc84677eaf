"""How far installs are, for staff: at which step of the wizard each shop stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.urls import resolve, reverse
from django.utils.translation import gettext as _

from merchants.models import Shop
from merchants.wizard.steps import Step


@dataclass(frozen=True, slots=True)
class Standing:
    """The step at which an install stands, of how many."""

    step: Step
    number: int
    total: int

    def __str__(self) -> str:
        named = {"number": self.number, "total": self.total, "step": self.step.title}
        return _("Step %(number)s of %(total)s: %(step)s") % named


def wizard_steps() -> tuple[Step, ...]:
    """All steps, for pages below the layer that puts them together: as the address of the merchants' shops has them."""
    view: Any = resolve(reverse("shops")).func
    steps: tuple[Step, ...] = view.keywords["steps"]
    return steps


def _one_by_one(step: Step, shops: Sequence[Shop]) -> set[int]:
    return {shop.pk for shop in shops if step.is_done(shop)}


def standings(shops: Iterable[Shop]) -> dict[int, Standing]:
    """By key, where each of these shops stands whose install is not at its end. A query a step at most, however many
    they are, if authorization, ReBound account and lanes are at hand."""
    steps = wizard_steps()
    open_still = list(shops)
    found: dict[int, Standing] = {}
    for number, step in enumerate(steps, 1):
        if not open_still:
            break
        among = step.done_among or partial(_one_by_one, step)
        done = among(open_still)
        found |= {each.pk: Standing(step, number, len(steps)) for each in open_still if each.pk not in done}
        open_still = [each for each in open_still if each.pk in done]
    return found

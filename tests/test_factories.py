"""Each factory makes a valid row of its own merchant, twice over, without help."""

from typing import Any

import pytest

from tests import factories

FACTORIES = sorted(
    (
        value
        for name, value in vars(factories).items()
        if name.endswith("Factory") and name not in {"DjangoModelFactory", "ErrandFactory"}
    ),
    key=lambda found: found.__name__,
)


def test_factories_are_found() -> None:
    assert len(FACTORIES) > 15


@pytest.mark.django_db
@pytest.mark.parametrize("made_by", FACTORIES, ids=lambda found: found.__name__)
def test_factory_makes_valid_rows_of_different_merchants(made_by: Any) -> None:
    first, second = made_by(), made_by()
    first.validate_unique()
    first.validate_constraints()
    if hasattr(first, "merchant") and first.merchant is not None:
        assert first.merchant != second.merchant
        for field in first._meta.fields:
            related = getattr(first, field.name, None)
            assert getattr(related, "merchant", first.merchant) == first.merchant

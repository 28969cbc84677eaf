"""A release before works on the new schema: migrations only add (README, Running it).

During an upgrade `migrate` runs first, while web servers and workers of the release before go on. What they would
stumble over is refused here: a column or table that is gone or renamed, a column that they do not fill and that has no
default in the database, one that became narrower, and a constraint that their rows may break. Such a change takes two
releases: the first stops using the column, or fills it; what the second does stands in `ALLOWED`, with the reason.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, CharField, Field, TextField

ALLOWED: dict[str, str] = {}

NEVER = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
    migrations.AlterUniqueTogether,
    migrations.RunSQL,
    migrations.SeparateDatabaseAndState,
)


def findings(app: str, name: str, operations: list[Operation], state: ProjectState) -> Iterator[str]:
    """What the release before would stumble over. `state` is the one before; it is moved on."""
    created = set()
    for operation in operations:
        before = state.clone()
        operation.state_forwards(app, state)
        model = str(getattr(operation, "model_name", "") or getattr(operation, "name", "")).lower()
        if isinstance(operation, migrations.CreateModel):
            created.add(model)
        elif model not in created and _disturbs(operation, app=app, before=before):
            yield f"{app} {name}: {operation.describe()}"


def _disturbs(operation: Operation, *, app: str, before: ProjectState) -> bool:
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return not (field.many_to_many or field.null or field.db_default is not NOT_PROVIDED)
    if isinstance(operation, migrations.AlterField):
        old = before.models[app, operation.model_name.lower()].fields[operation.name]
        return _is_narrower(old, operation.field)
    return isinstance(operation, (*NEVER, migrations.AddConstraint))


def _is_narrower(old: Field, new: Field) -> bool:
    if (old.null and not new.null) or (new.unique and not old.unique):
        return True
    if isinstance(new, TextField) and isinstance(old, CharField | TextField):
        return False
    if isinstance(old, CharField) and isinstance(new, CharField):
        return new.max_length is not None and (old.max_length is None or new.max_length < old.max_length)
    return type(old) is not type(new)


def ours() -> set[str]:
    """The labels of the apps that live in this repository."""
    root = Path(settings.BASE_DIR)
    paths = {config.label: Path(config.path) for config in apps.get_app_configs()}
    return {label for label, path in paths.items() if path.is_relative_to(root) and ".venv" not in path.parts}


def all_findings() -> list[str]:
    loader = MigrationLoader(None)
    state, found = ProjectState(), []
    for key in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):
        migration = loader.graph.nodes[key]
        if migration.app_label in ours():
            found += findings(migration.app_label, migration.name, migration.operations, state)
        else:
            migration.mutate_state(state, preserve=False)
    return found


def test_migrations_only_add() -> None:
    refused = [each for each in all_findings() if each not in ALLOWED]
    assert refused == [], "The release before would stumble over these: see the top of this file."


def test_every_exception_is_one() -> None:
    assert set(ALLOWED) - set(all_findings()) == set()


def shelf() -> ProjectState:
    """A table of the release before."""
    fields = [("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=20))]
    state = ProjectState()
    migrations.CreateModel("Book", fields).state_forwards("library", state)
    return state


def check(name: str) -> migrations.AddConstraint:
    return migrations.AddConstraint("book", models.CheckConstraint(condition=~models.Q(title=""), name=name))


DISTURBING: dict[str, Operation] = {
    "gone column": migrations.RemoveField("book", "title"),
    "gone table": migrations.DeleteModel("Book"),
    "renamed column": migrations.RenameField("book", "title", "name"),
    "renamed table": migrations.RenameModel("Book", "Volume"),
    "column that nobody fills": migrations.AddField("book", "pages", models.IntegerField(default=0)),
    "shorter column": migrations.AlterField("book", "title", models.CharField(max_length=19)),
    "column of another type": migrations.AlterField("book", "title", models.IntegerField()),
    "column that became unique": migrations.AlterField("book", "title", models.CharField(max_length=20, unique=True)),
    "constraint on rows that are there": check("a_book_has_a_title"),
    "statement that nobody can judge": migrations.RunSQL("DROP TABLE library_book"),
}
ADDING: dict[str, list[Operation]] = {
    "column with a default": [migrations.AddField("book", "pages", models.IntegerField(default=0, db_default=0))],
    "column that may be empty": [migrations.AddField("book", "read_at", models.DateTimeField(null=True))],
    "longer column": [migrations.AlterField("book", "title", models.CharField(max_length=21))],
    "other words": [migrations.AlterField("book", "title", models.CharField(max_length=20, help_text="Its name."))],
    "index": [migrations.AddIndex("book", models.Index(fields=["title"], name="book_by_title"))],
    "table with its constraint": [
        migrations.CreateModel("Loan", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddConstraint("loan", models.CheckConstraint(condition=models.Q(id__gt=0), name="loans_count")),
    ],
}


@pytest.mark.parametrize("name", DISTURBING)
def test_what_the_release_before_stumbles_over_is_found(name: str) -> None:
    assert len(list(findings("library", "0002", [DISTURBING[name]], shelf()))) == 1


@pytest.mark.parametrize("name", ADDING)
def test_what_only_adds_is_fine(name: str) -> None:
    assert list(findings("library", "0002", ADDING[name], shelf())) == []

"""The files for operators: what they name exists. No engine runs here, so that these read and compare."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from django.urls import resolve

from rebound_tts.checks import connections_wanted
from rebound_tts.ops.catalog import READ, TALLIED, Figure

ROOT = Path(__file__).parents[3]
OPS = ROOT / "rebound_tts" / "ops"
FIGURES = {figure.name: figure for figure in (*TALLIED.values(), *READ.values())}


def figure_of(series: str) -> Figure | None:
    """The figure that this series of /metrics belongs to."""
    name = series.removeprefix("rebound_tts_")
    if name in READ:
        return READ[name]
    for ending in ("_total", "_bucket", "_sum", "_count"):
        figure = TALLIED.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if figure is not None and bool(figure.buckets) == (ending != "_total"):
            return figure
    return None


def expressions() -> list[str]:
    rules = yaml.safe_load((OPS / "alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((OPS / "dashboard.json").read_text())["panels"]
    return [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_alert_or_panel_names_figures_and_labels_that_exist(expression):
    series = re.findall(r"(rebound_tts_\w+)(?:\{([^}]*)\})?", expression)
    assert series
    labels: set[str] = {"le"}
    for name, selector in series:
        figure = figure_of(name)
        assert figure is not None, name
        labels |= set(figure.labels)
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= set(figure.labels)
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= labels


def test_every_figure_is_on_the_dashboard_or_alerted():
    named = {figure_of(name) for each in expressions() for name in re.findall(r"rebound_tts_\w+", each)}
    assert {figure.name for figure in FIGURES.values() if figure not in named} <= {
        "worker_heartbeat_age_seconds",
        "deleted",
    }


def test_every_alert_has_its_place_in_the_runbook():
    rules = yaml.safe_load((OPS / "alerts.yaml").read_text())["groups"][0]["rules"]
    runbook = (OPS / "RUNBOOK.md").read_text()
    assert [rule["alert"] for rule in rules if rule["alert"] not in runbook] == []


def test_runbook_names_commands_and_settings_that_exist():
    runbook = (OPS / "RUNBOOK.md").read_text()
    commands = set(re.findall(r"manage\.py (\w+)", runbook))
    assert commands
    assert commands - set(get_commands()) == set()
    example = (ROOT / ".env.example").read_text()
    settings = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])`", runbook))
    named_elsewhere = {name for name in settings if not re.search(rf"^#?{name}=", example, re.MULTILINE)}
    assert {name for name in named_elsewhere if name.endswith(("_DAYS", "_URL", "_KEYS", "_KEY", "_SECRET"))} == set()


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file with its anchors merged, as compose reads it."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_compose_runs_the_product_without_rights(compose):
    for name in ("migrate", "web", "worker"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert set(service["environment"]) == {"DATABASE_URL", "REDIS_URL"}
    assert "build" in compose["services"]["migrate"]


def test_compose_migrates_before_anything_serves(compose):
    for name in ("web", "worker"):
        waits = compose["services"][name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
    assert compose["services"]["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert all(
        set(service.get("depends_on", ())) <= set(compose["services"]) for service in compose["services"].values()
    )


def test_compose_names_commands_that_exist(compose):
    named = [compose["services"][name]["command"][2] for name in ("migrate", "worker")]
    named.append(compose["services"]["worker"]["healthcheck"]["test"][3])
    assert set(named) <= set(get_commands())


def test_composed_postgresql_gives_as_many_connections_as_the_scale_that_is_advised_wants(compose, settings):
    settings.WEB_PROCESSES = 2  # as with PostgreSQL
    (given,) = re.findall(r"max_connections=(\d+)", " ".join(compose["services"]["postgres"]["command"]))
    advised = int(re.search(r"--scale worker=(\d+)", (ROOT / "compose.yaml").read_text())[1])
    assert connections_wanted(sets_of_workers=advised) < int(given) - 50


def test_readme_says_how_many_connections_each_process_may_hold(settings):
    settings.WEB_PROCESSES = 2
    web = connections_wanted(sets_of_workers=0)
    workers = connections_wanted(sets_of_workers=1) - web
    assert f"Each `work` may hold {workers} connections and each `serve` {web}" in (ROOT / "README.md").read_text()


def test_compose_lets_work_end_before_it_kills(compose):
    for name in ("web", "worker"):
        assert int(compose["services"][name]["stop_grace_period"].removesuffix("s")) > 30


def test_image_holds_what_runs_and_nothing_else():
    lines = (ROOT / "Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in re.findall(r"^COPY (?!--from).*$", lines, re.MULTILINE)]
    names = {name for line in copied for name in line}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == names
    assert all((ROOT / name).exists() for name in names)
    assert ignored[1] == "*"


def test_image_is_locked_and_runs_as_nobody():
    lines = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes" in lines
    users = re.findall(r"^USER (.*)$", lines, re.MULTILINE)
    assert users == ["10001:10001"]
    assert lines.index("USER ") < lines.index("\nCMD ")
    asked = re.search(r"http://127\.0\.0\.1:8000(/[\w/]+)", lines)
    assert asked is not None
    assert resolve(asked[1]).url_name == "readyz-web"

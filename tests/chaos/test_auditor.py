"""The auditor notices: a whole world in which all is well, and each promise broken on purpose."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.auditor import Breach, Case, Event, Row, audit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CASE = Case("matched", "7", ("r1",), "o1", external_order_id="SO-1", items={"l1": "i1"})
KEPT = Case("refund only", "7", ("r2",), "o2", is_due=False)


@dataclass
class Scene:
    world: dict[str, Any]
    rows: dict[str, Row]
    events: list[Event]

    def audit(self) -> list[Breach]:
        return audit([CASE, KEPT], world=self.world, rows=self.rows.values(), events=self.events)

    def return_order(self) -> Any:
        return self.world["return_orders"][0]


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


@pytest.fixture
def scene() -> Scene:
    linked = {"salesItemId": "s1", "quantity": 1, "clientMetadata": pairs(tiktokLineIds="l1")}
    world = {
        "returns": [{"return_id": "r1", "uploads": [{"tracking_number": "T1"}]}, {"return_id": "r2", "uploads": []}],
        "sales_orders": [
            {
                "id": "so",
                "clientOrderId": "SO-1",
                "salesItems": [{"id": "s1", "clientMetadata": pairs(omsItemId="i1")}],
            }
        ],
        "return_orders": [
            {
                "id": "ro",
                "rmaNumber": "TTS-7-r1",
                "status": "ACTIVE",
                "salesOrderId": "so",
                "parcels": [{"trackingNumber": "T1"}],
                "items": [linked],
            }
        ],
        "webhook_deliveries": [{"source": "tiktok", "state": "delivered", "id": "n1"}],
    }
    done = Row("r1", "DONE", "", None, None, NOW, kind="LINKED", rebound_id="ro")
    kept = Row("r2", "NOT_OURS", "REFUND_ONLY", None, None, None)
    return Scene(world, {"r1": done, "r2": kept}, [Event("n1", "APPLIED")])


def test_whole_world_has_no_breach(scene: Scene) -> None:
    assert scene.audit() == []


def second_return_order(scene: Scene) -> None:
    scene.world["return_orders"].append({**deepcopy(scene.return_order()), "id": "ro2", "rmaNumber": "TTS-7-r1-2"})


def changed(scene: Scene, return_id: str, **values: Any) -> None:
    scene.rows[return_id] = replace(scene.rows[return_id], **values)


def strangers_return_order(scene: Scene) -> None:
    scene.world["return_orders"].append({**deepcopy(scene.return_order()), "id": "ro2", "rmaNumber": "TTS-7-r9"})


def something_for_nothing(scene: Scene) -> None:
    scene.world["return_orders"].append({**deepcopy(scene.return_order()), "id": "ro2", "rmaNumber": "TTS-7-r2"})


BROKEN: list[tuple[str, Callable[[Scene], Any]]] = [
    ("two return orders", second_return_order),
    ("no return order", lambda scene: scene.world["return_orders"].clear()),
    ("cancelled return order", lambda scene: scene.return_order().update(status="CANCELLED")),
    ("a return order that nobody asked for", strangers_return_order),
    ("a label where none is due", something_for_nothing),
    ("no label", lambda scene: scene.world["returns"][0]["uploads"].clear()),
    ("two labels", lambda scene: scene.world["returns"][0]["uploads"].append({"tracking_number": "T1"})),
    ("another label", lambda scene: scene.world["returns"][0]["uploads"][0].update(tracking_number="T2")),
    ("another order", lambda scene: scene.world["sales_orders"][0].update(clientOrderId="SO-2")),
    ("another item", lambda scene: scene.world["sales_orders"][0]["salesItems"][0].update(clientMetadata=[])),
    ("more units than lines", lambda scene: scene.return_order()["items"][0].update(quantity=2)),
    ("a link that we do not know of", lambda scene: changed(scene, "r1", kind="DIRECT")),
    ("another return order than we know", lambda scene: changed(scene, "r1", rebound_id="other")),
    ("no row", lambda scene: scene.rows.pop("r1")),
    ("not finished", lambda scene: changed(scene, "r1", status="OPEN", next_attempt_at=NOW)),
    ("stuck without a reason", lambda scene: changed(scene, "r2", status="NEEDS_ATTENTION", reason="")),
    ("waiting for nothing", lambda scene: changed(scene, "r1", status="WAITING", reason="REMOTE_BUSY")),
    ("claimed", lambda scene: changed(scene, "r1", claimed_until=NOW)),
    ("delivery unknown", lambda scene: changed(scene, "r1", label_delivered_at=None)),
    ("an accepted notification is lost", lambda scene: scene.events.clear()),
    ("an accepted notification is stored twice", lambda scene: scene.events.append(Event("n1", "APPLIED"))),
    ("an accepted notification crashed", lambda scene: scene.events.__setitem__(0, Event("n1", "CRASHED"))),
    ("an accepted notification was not handled", lambda scene: scene.events.__setitem__(0, Event("n1", ""))),
]


@pytest.mark.parametrize("broken", [act for _, act in BROKEN], ids=[name for name, _ in BROKEN])
def test_broken_promise_is_noticed(scene: Scene, broken: Callable[[Scene], Any]) -> None:
    broken(scene)
    assert scene.audit() != []


def test_lost_notification_of_what_needs_nothing_is_no_breach(scene: Scene) -> None:
    del scene.rows["r2"]
    assert scene.audit() == []


def test_cancelled_return_may_have_had_a_label(scene: Scene) -> None:
    case = replace(CASE, is_due=False, is_cancelled=True)
    scene.return_order()["status"] = "CANCELLED"
    changed(scene, "r1", status="CANCELLED")
    assert audit([case, KEPT], world=scene.world, rows=scene.rows.values(), events=scene.events) == []

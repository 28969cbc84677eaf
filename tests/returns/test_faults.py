"""Each remote call fails, in every way that a call can: in the end there is one return and one label, or a name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from merchants import connections
from rebound_tts.clients.errors import UnknownOutcomeError
from rebound_tts.clients.http import Transport
from rebound_tts.clients.rebound import NewReturnOrder, ReboundClient, ReboundReturnOrder
from rebound_tts.demo.story import Expected
from returns.models import ReboundReturn, TikTokReturn
from tests.returns.scene import CREATION, UPLOAD, Scene

IMPATIENT = 0.25  # seconds


@dataclass(frozen=True)
class Call:
    """A remote call of some step."""

    remote: str
    method: str
    path: str

    def fails(self, scene: Scene, **fault: Any) -> None:
        scene.fault(self.remote, method=self.method, path_contains=self.path, **fault)


CALLS = {
    "fetch": Call("tiktok", "POST", "/returns/search"),
    "fetch: order": Call("tiktok", "GET", "/order/202507/orders"),
    "match: references": Call("tiktok", "GET", "/external_orders"),
    "match: order": Call("rebound", "GET", "/sales-orders"),
    "create": Call("rebound", "POST", "/return-orders"),
    "collect": Call("rebound", "GET", "/return-orders"),
    "collect: label": Call("rebound", "GET", "/labels/"),
    "deliver": Call("tiktok", "POST", "/shipping_documents"),
    "cancel": Call("rebound", "POST", "/cancel"),
}
UNREADABLE: dict[str, dict[str, Any]] = {
    "a page with 200": {"kind": "html", "status": 200},
    "not JSON": {"kind": "not_json"},
    "cut off": {"kind": "garbage_json"},
    "a list of words": {"kind": "other_object"},
    "an unknown object": {"kind": "status", "body": {"greeting": "hello"}},
}
BREAKDOWNS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "status", "status": 429},
    "429 with Retry-After": {"kind": "retry_after", "retry_after": 7},
    "dropped before": {"kind": "drop_before"},
    "dropped after": {"kind": "drop_after"},
    "too slow": {"kind": "slow", "seconds": 2 * IMPATIENT},
    "a page with 502": {"kind": "html"},
    "empty": {"kind": "empty"},
    **UNREADABLE,
}


def scenario(scene: Scene, call: str) -> Expected:
    """A return, so far that the call comes next once workers take it up."""
    if call.startswith("collect"):
        scene.settings(label_by_url=True)
    expected = scene.buys_and_returns(scene.story.cast.oms)
    if call == "cancel":
        scene.starts(expected)
        shipless = {"return_status": "RETURN_OR_REFUND_REQUEST_CANCEL", "webhook": {"send": False}}
        scene.sandbox.post(f"/returns/{expected.return_id}", **shipless)
        return replace(expected, status="CANCELLED", rebound_status="CANCELLED")
    return expected


@pytest.mark.parametrize("call", CALLS)
def test_call_that_breaks_down_once_changes_nothing_in_the_end(
    scene: Scene, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for name, breakdown in BREAKDOWNS.items():
        if call == "collect: label" and name in UNREADABLE:
            continue  # a label is bytes; that these are none shows by what they are: test_labels.py
        expected = scenario(scene, call)
        CALLS[call].fails(scene, **breakdown)
        with monkeypatch.context() as patch:
            if name == "too slow":
                patch.setattr(connections, "transport", Transport(connect_timeout=1, read_timeout=IMPATIENT))
            scene.starts(expected)
            scene.passes(seconds=60)
        held = [order for order in scene.at_rebound() if order["rmaNumber"].endswith(expected.return_id)]
        uploads = scene.uploads(expected.return_id)
        found[name] = (scene.differences(expected), len(held), len(uploads), scene.sandbox.get("/faults")["faults"])
    assert found == dict.fromkeys(found, ((), 1, 1, []))
    assert len(found) >= len(BREAKDOWNS) - len(UNREADABLE)


@pytest.mark.parametrize("call", ["fetch", "create", "collect", "deliver", "cancel"])
def test_call_that_keeps_failing_asks_for_a_person_and_goes_on_when_it_works(scene: Scene, call: str) -> None:
    expected = scenario(scene, call)
    CALLS[call].fails(scene, kind="status", status=500, times=500)
    scene.starts(expected)
    assert scene.rest(expected.return_id) == ("WAITING", "REMOTE_BUSY")
    scene.passes(minutes=4)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "REMOTE_UNAVAILABLE")
    scene.mends()
    scene.passes(minutes=10)  # about as long again as the outage took, not an hour
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1


@pytest.mark.parametrize(
    ("call", "rest"),
    {
        "fetch": ("NEEDS_ATTENTION", "TIKTOK_REFUSED"),
        "deliver": ("NEEDS_ATTENTION", "UPLOAD_REFUSED"),
        "cancel": ("NEEDS_ATTENTION", "CANCEL_REFUSED"),
    }.items(),
)
def test_refusal_never_seen_before_asks_for_a_person_who_runs_it_again(
    scene: Scene, call: str, rest: tuple[str, str]
) -> None:
    expected = scenario(scene, call)
    never_seen = {
        "tiktok": {"kind": "code", "code": 77_123_456, "status": 200},
        "rebound": {"kind": "status", "status": 418},
    }
    CALLS[call].fails(scene, **never_seen[CALLS[call].remote])
    scene.starts(expected)
    scene.passes(hours=3)
    assert scene.rest(expected.return_id) == rest
    scene.runs_again(expected)
    assert scene.differences(expected) == ()


@pytest.mark.parametrize("call", ["fetch: order", "match: references", "match: order"])
def test_look_up_refused_never_seen_before_is_tried_again_within_the_wait(scene: Scene, call: str) -> None:
    expected = scenario(scene, call)
    never_seen = {
        "tiktok": {"kind": "code", "code": 77_123_456, "status": 200},
        "rebound": {"kind": "status", "status": 418},
    }
    CALLS[call].fails(scene, **never_seen[CALLS[call].remote])
    scene.starts(expected)
    scene.passes(seconds=30)
    assert scene.differences(expected) == ()


def test_retry_after_is_waited_out(scene: Scene) -> None:
    expected = scenario(scene, "create")
    CALLS["create"].fails(scene, kind="retry_after", retry_after=120)
    scene.starts(expected)
    scene.passes(seconds=118)
    assert scene.at_rebound() == []
    scene.passes(seconds=4)
    assert scene.differences(expected) == ()


def test_patience_is_counted_for_each_step_apart(scene: Scene) -> None:
    """An outage at TikTok must not make the first hiccup at ReBound a case for a person."""
    expected = scenario(scene, "create")
    CALLS["fetch"].fails(scene, kind="status", status=500, times=7)
    CALLS["create"].fails(scene, kind="status", status=500)
    scene.starts(expected)
    scene.passes(minutes=4)
    assert ("CREATE", "UNKNOWN") in scene.steps(expected.return_id)
    assert scene.differences(expected) == ()


def test_creation_whose_answer_was_lost_is_adopted_and_not_asked_for_twice(scene: Scene) -> None:
    expected = scenario(scene, "create")
    CALLS["create"].fails(scene, kind="drop_after")
    scene.starts(expected)
    assert ReboundReturn.objects.get().rebound_id == ""
    scene.passes(seconds=5)
    (order,) = scene.at_rebound()
    assert (ReboundReturn.objects.get().rebound_id, scene.calls()[CREATION]) == (order["id"], 1)
    assert scene.differences(expected) == ()


def test_creation_whose_answer_was_lost_is_cancelled_with_its_return(scene: Scene) -> None:
    expected = scenario(scene, "create")
    CALLS["create"].fails(scene, kind="drop_after")
    scene.starts(expected)
    scene.changes(expected.player, expected.return_id, return_status="RETURN_OR_REFUND_REQUEST_CANCEL")
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert [order["status"] for order in scene.at_rebound()] == ["CANCELLED"]


@pytest.fixture
def lands(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next creation gets no answer and is still on its way, until the test says that it lands at ReBound."""
    on_its_way: list[Callable[[], Any]] = []
    create = ReboundClient.create_return_order

    def lose(client: ReboundClient, order: NewReturnOrder) -> ReboundReturnOrder:
        monkeypatch.setattr(ReboundClient, "create_return_order", create)
        on_its_way.append(partial(create, client, order))
        raise UnknownOutcomeError(vendor="rebound", method="POST", path="/return-orders", message="no answer")

    monkeypatch.setattr(ReboundClient, "create_return_order", lose)
    return lambda: on_its_way.pop()()


CANCELS = {"return_status": "RETURN_OR_REFUND_REQUEST_CANCEL"}
CANCELLATION = "rebound POST /return-orders/{id}/cancel"


def test_creation_that_lands_after_its_cancellation_looked_for_it_is_cancelled(
    scene: Scene, lands: Callable[[], None]
) -> None:
    expected = scenario(scene, "create")
    scene.starts(expected)
    scene.changes(expected.player, expected.return_id, **CANCELS)
    assert (scene.rest(expected.return_id), scene.at_rebound()) == (("WAITING", "REMOTE_BUSY"), [])
    scene.passes(seconds=40)
    assert (scene.rest(expected.return_id), scene.at_rebound()) == (("WAITING", "REMOTE_BUSY"), [])
    lands()
    assert [order["status"] for order in scene.at_rebound()] == ["ACTIVE"]
    scene.passes(minutes=5)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert [order["status"] for order in scene.at_rebound()] == ["CANCELLED"]
    assert (scene.calls()[CANCELLATION], scene.uploads(expected.return_id)) == (1, [])


def test_creation_that_never_lands_is_cancelled_once_it_cannot_land_any_more(
    scene: Scene, lands: Callable[[], None]
) -> None:
    expected = scenario(scene, "create")
    scene.starts(expected)
    scene.changes(expected.player, expected.return_id, **CANCELS)
    scene.passes(minutes=4)
    assert scene.rest(expected.return_id) == ("WAITING", "REMOTE_BUSY")
    scene.passes(minutes=2)
    assert (scene.rest(expected.return_id), scene.at_rebound()) == (("CANCELLED", ""), [])
    looks = [outcome for step, outcome in scene.steps(expected.return_id) if step == "CANCEL"]
    assert (looks[-1], set(looks[:-1]), len(looks) < 12) == ("DONE", {"BLOCKED"}, True)


def test_creation_that_was_refused_is_not_waited_for_by_its_cancellation(scene: Scene) -> None:
    expected = scenario(scene, "create")
    CALLS["create"].fails(scene, kind="status", status=503, times=99)
    scene.starts(expected)
    scene.changes(expected.player, expected.return_id, **CANCELS)
    assert (scene.rest(expected.return_id), scene.at_rebound()) == (("CANCELLED", ""), [])


def test_creation_that_lands_before_it_is_asked_for_again_is_adopted(scene: Scene, lands: Callable[[], None]) -> None:
    """Between the look-up, which finds nothing, and the second post, which is refused since the first is there."""
    expected = scenario(scene, "create")
    nothing = {"status": 200, "body": {"content": [], "totalElements": 0}}
    CALLS["collect"].fails(scene, kind="status", **nothing)
    scene.starts(expected)
    lands()
    scene.passes(seconds=5)
    assert scene.differences(expected) == ()
    assert (len(scene.at_rebound()), scene.calls()[CREATION]) == (1, 2)


@pytest.mark.parametrize("looks", [2, 3])
def test_creation_that_its_look_ups_do_not_show_yet_is_adopted_later(
    scene: Scene, lands: Callable[[], None], looks: int
) -> None:
    """A search may be behind: the reference is known to be taken, and no direct return is made of a linked one."""
    expected = scenario(scene, "create")
    nothing = {"status": 200, "body": {"content": [], "totalElements": 0}}
    CALLS["collect"].fails(scene, kind="status", times=looks, **nothing)
    scene.starts(expected)
    lands()
    scene.passes(seconds=30)
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1


def test_linked_creation_that_lands_after_it_went_direct_is_linked(scene: Scene, lands: Callable[[], None]) -> None:
    """The second post was refused for good before the first, which was not, had landed."""
    expected = scenario(scene, "create")
    CALLS["create"].fails(scene, kind="status", status=422)
    CALLS["create"].fails(scene, kind="drop_before", times=99)  # the direct one
    scene.starts(expected)
    scene.passes(seconds=10)
    assert ReboundReturn.objects.get().kind == "DIRECT"
    scene.mends()
    lands()
    scene.passes(seconds=30)
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1


def test_reference_that_rebound_knows_is_adopted(scene: Scene) -> None:
    """A worker died after ReBound created it and before anything of it was written here."""
    expected = scenario(scene, "create")
    CALLS["deliver"].fails(scene, kind="status", status=503)
    scene.starts(expected)
    TikTokReturn.objects.update(rebound_return=None)
    ReboundReturn.objects.all().delete()
    scene.passes(seconds=5)
    assert scene.differences(expected) == ()
    assert len(scene.at_rebound()) == 1


def test_upload_whose_answer_was_lost_is_checked_and_not_done_twice(scene: Scene) -> None:
    expected = scenario(scene, "deliver")
    CALLS["deliver"].fails(scene, kind="drop_after")
    scene.starts(expected)
    assert scene.row(expected.return_id).label_delivered_at is None
    scene.passes(seconds=5)
    assert scene.differences(expected) == ()
    assert scene.calls()[UPLOAD] == 2  # the second was told that TikTok has it, and that it is ours


def test_upload_whose_answer_was_lost_keeps_its_rebound_return_when_the_buyer_ships(scene: Scene) -> None:
    """The buyer has the label and is faster than our second try: nothing may be cancelled."""
    expected = scenario(scene, "deliver")
    CALLS["deliver"].fails(scene, kind="drop_after")
    scene.starts(expected)
    scene.changes(expected.player, expected.return_id, return_status="BUYER_SHIPPED_ITEM")
    assert scene.rest(expected.return_id) == ("DONE", "")
    assert [order["status"] for order in scene.at_rebound()] == ["ACTIVE"]
    assert scene.row(expected.return_id).label_delivered_at is not None


def test_upload_refused_since_another_label_is_there_asks_for_a_person(scene: Scene) -> None:
    expected = scenario(scene, "deliver")
    CALLS["deliver"].fails(scene, kind="drop_after")
    scene.starts(expected)
    scene.sandbox.post(f"/returns/{expected.return_id}", return_tracking_number="OTHER-1", webhook={"send": False})
    scene.passes(seconds=5)
    assert scene.rest(expected.return_id) == ("NEEDS_ATTENTION", "OTHER_LABEL")
    assert [order["status"] for order in scene.at_rebound()] == ["ACTIVE"]


def test_upload_refused_since_the_return_moved_on_looks_at_it_again(scene: Scene) -> None:
    """The buyer cancelled between fetch and upload, and the webhook of it never came."""
    expected = scenario(scene, "deliver")
    CALLS["deliver"].fails(scene, kind="code", code=25023001)
    CALLS["deliver"].fails(scene, kind="code", code=25023001)
    scene.starts(expected)
    scene.sandbox.post(
        f"/returns/{expected.return_id}",
        return_status="RETURN_OR_REFUND_REQUEST_CANCEL",
        update_time=scene.tiktok(expected.return_id)["update_time"] + 1,
        webhook={"send": False},
    )
    scene.passes(seconds=30)
    assert scene.rest(expected.return_id) == ("CANCELLED", "")
    assert [order["status"] for order in scene.at_rebound()] == ["CANCELLED"]

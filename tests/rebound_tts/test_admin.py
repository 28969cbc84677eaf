"""Every page, action, autocomplete and export of the admin, walked as people who must not see or change a thing.

The list is derived from the admin's own addresses and model admins, so that a page that is added later is walked too.
Two merchants have one row of everything; the other's rows carry a word that must never show.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone

from matching.coverage.services import start_check
from matching.models import OrderImport, OrderPush
from merchants.audit import record_act
from merchants.models import ApiClient, ApiSecret, AuditEntry, Merchant, StaffAssignment
from merchants.settings_history import note_settings
from merchants.staff import Role, path_to_merchant
from returns.alerts import queue
from returns.models import BulkItem, BulkRun, TikTokReturn
from tests import factories

admin.autodiscover()

pytestmark = pytest.mark.django_db
OURS = ("merchants", "matching", "returns")
UNSEEN = "unseen"
NOWHERE = 987_654_321
# Rows of several merchants, each told by what hangs on it; such a page says by itself whose it is.
THROUGH_OTHERS: dict[type[models.Model], str] = {BulkRun: "items__merchant"}


def one_of_everything(word: str) -> Merchant:
    """A merchant with a row in each table that the admin shows; `word` is in whatever names a row."""
    now = timezone.now()
    merchant = factories.MerchantFactory(name=f"{word} merchant")
    authorization = factories.ShopAuthorizationFactory(
        merchant=merchant, open_id=f"{word}-open-id", seller_name=f"{word} seller"
    )
    account = factories.ReboundAccountFactory(merchant=merchant, client_id=f"{word}-account")
    shop = factories.ShopFactory(
        merchant=merchant,
        authorization=authorization,
        rebound_account=account,
        shop_id=f"{word}-1",
        name=f"{word} shop",
    )
    factories.LaneFactory(shop=shop, shipping_provider_name=f"{word} carrier")
    note_settings(shop=shop, by=f"{word} somebody", now=now)
    oms = ApiClient.objects.create(merchant=merchant, client_id=f"{word}-oms", name=f"{word} OMS", created_at=now)
    ApiSecret.objects.create(merchant=merchant, client=oms, prefix=f"{word}-secret", digest="0" * 64, created_at=now)
    OrderPush.objects.create(
        merchant=merchant, client=oms, received_at=now, call="BATCH", request_id=f"{word}-request", orders=1
    )
    start_check(shop=shop, sample_size=20, now=now, asked_by=f"{word} somebody")
    order = factories.SalesOrderFactory(merchant=merchant, external_order_id=f"{word}-order", api_client=oms)
    factories.OrderRelayFactory(order=order, account=account)
    factories.OrderFeedFactory(account=account, last_error=f"{word} feed")
    factories.ReturnPollFactory(shop=shop, last_error=f"{word} search")
    factories.ReferenceWriteFactory(order=order, shop=shop, detail=f"{word} references")
    OrderImport.objects.create(
        merchant=merchant, file_name=f"{word}.csv", kind="CSV", size=1, is_stored=False, created_at=now
    )
    item = factories.SalesOrderItemFactory(order=order, external_item_id=f"{word}-item", sku=f"{word}-sku")
    rebound_return = factories.ReboundReturnFactory(
        shop=shop, reference=f"{word}-reference", kind="LINKED", direct_reason="", sales_order=order
    )
    factories.ReturnLabelFactory(rebound_return=rebound_return, tracking_number=f"{word}-tracking")
    row = factories.TikTokReturnFactory(
        shop=shop,
        return_id=f"{word}-return",
        order_id=f"{word}-tiktok-order",
        rebound_return=rebound_return,
        status="NEEDS_ATTENTION",
        reason="UPLOAD_REFUSED",
        reason_detail=f"{word} detail",
    )
    factories.TikTokReturnItemFactory(tiktok_return=row, seller_sku=f"{word}-sku")
    factories.StepAttemptFactory(tiktok_return=row, detail=f"{word} attempt", outcome="DONE", finished_at=now)
    match = factories.MatchFactory(shop=shop, return_id=row.return_id, sales_order=order)
    factories.ItemMatchFactory(match=match, item=item)
    factories.WebhookEventFactory(
        merchant=merchant, tiktok_return=row, dedupe_key=f"{word}-event", shop_id=f"{word}-1", detail=f"{word} event"
    )
    channel = factories.AlertChannelFactory(merchant=merchant, address=f"https://{word}.example/alerts")
    queue(channel=channel, body={"of": word}, now=now)
    somebody = staff(f"{word}-somebody")
    StaffAssignment.objects.create(merchant=merchant, user=somebody)
    run = BulkRun.objects.create(
        act="run_again", reason=f"{word} run", started_by=somebody, filters=f"q={word}", total=1, started_at=now
    )
    BulkItem.objects.create(merchant=merchant, run=run, tiktok_return=row, detail=f"{word} item")
    record_act(act="Run again", actor=f"{word} actor", subject=row, now=now)
    return merchant


def staff(name: str, role: Role | None = None, *merchants: Merchant) -> User:
    user = User.objects.create_user(name, password=None, is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role.value))
    for merchant in merchants:
        StaffAssignment.objects.create(merchant=merchant, user=user)
    return user


@pytest.fixture
def own(db: None) -> Merchant:
    return one_of_everything("own")


@pytest.fixture
def other(db: None) -> Merchant:
    made = one_of_everything(UNSEEN)
    factories.WebhookEventFactory(dedupe_key=f"{UNSEEN}-stray", shop_id=f"{UNSEEN}-stray", detail=f"{UNSEEN} stray")
    return made


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def patterns(resolver: Any = None) -> Iterator[URLPattern]:
    for each in (resolver or admin.site).urls[0] if resolver is None else resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from patterns(each)
        else:
            yield each


def tenant_admins() -> list[Any]:
    """Of everything of ours that is registered."""
    return [each for model, each in admin.site._registry.items() if model._meta.app_label in OURS]


def path_of(model: type[models.Model]) -> str:
    return path_to_merchant(model) or THROUGH_OTHERS[model]


def rows_of(merchant: Merchant, model: type[models.Model]) -> Any:
    return model._default_manager.filter(**{path_of(model): merchant.pk}).order_by("pk")


def addresses_of_site() -> list[str]:
    """Pages that name no row."""
    named = [pattern.name for pattern in patterns() if pattern.name and not pattern.pattern.regex.groups]
    return [reverse(f"admin:{name}") for name in named if name not in {"logout", "login"}] + [
        reverse("admin:app_list", args=[app]) for app in OURS
    ]


def addresses_of_row(row: models.Model) -> list[str]:
    """Every page of the admin that takes the key of this row."""
    start = f"{row._meta.app_label}_{row._meta.model_name}_"
    named = [
        pattern for pattern in patterns() if pattern.pattern.regex.groups and (pattern.name or "").startswith(start)
    ]
    assert len(named) >= 3
    return [reverse(f"admin:{each.name}", args=[row.pk] * each.pattern.regex.groups) for each in named]


def body(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode(errors="replace")).lower()


def everything() -> dict[str, list[dict[str, Any]]]:
    """What every table of ours holds; a look that is logged and a session change nothing else."""
    tables = [model for app in OURS for model in apps.get_app_config(app).get_models() if model is not AuditEntry]
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in tables}


def questions(model_admin: Any, about: models.Model) -> list[dict[str, Any]]:
    """What a list can be asked that names a row of another merchant: each filter, and each search."""
    asked: list[dict[str, Any]] = []
    for each in model_admin.list_filter:
        name = each[0] if isinstance(each, tuple) else each
        if not isinstance(name, str):
            continue
        field: Any = model_admin.model
        for part in name.split("__"):
            field = (field.related_model if isinstance(field, models.Field) else field)._meta.get_field(part)
        if field.related_model and (path := path_to_merchant(field.related_model)):
            keys = rows_of_merchant_of(about, field.related_model, path)
            asked += [{f"{name}__id__exact": key} for key in keys]
    for name in model_admin.search_fields:
        value: Any = about
        for part in name.split("__"):
            value = getattr(value, part, None) if part not in {"exact", "istartswith"} else value
        asked += [{"q": value}] if value else []
    return asked


def rows_of_merchant_of(about: models.Model, model: type[models.Model], path: str) -> list[int]:
    merchant_key = about.pk if isinstance(about, Merchant) else about.merchant_id  # type: ignore[attr-defined]
    return list(model._default_manager.filter(**{path: merchant_key}).values_list("pk", flat=True))


def autocompletes() -> list[dict[str, str]]:
    """Each foreign key that some page or filter completes."""
    asked = []
    for model_admin in admin.site._registry.values():
        for field in model_admin.model._meta.get_fields():
            target = field.related_model if isinstance(field, models.ForeignKey) else None
            if target in admin.site._registry and admin.site._registry[target].search_fields:  # type: ignore[index]
                asked.append(
                    {
                        "app_label": model_admin.opts.app_label,
                        "model_name": str(model_admin.opts.model_name),
                        "field_name": field.name,
                    }
                )
    assert len(asked) > 10
    return asked


def actions_of(model_admin: Any) -> list[str]:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    return list(model_admin.get_actions(request))


def test_there_is_data_to_leak(own: Merchant, other: Merchant) -> None:
    lead = signed_in(staff("lead", Role.LEAD))
    for model_admin in tenant_admins():
        assert rows_of(other, model_admin.model).exists(), model_admin.model
        address = reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
        answer = lead.get(address)
        assert (answer.status_code, UNSEEN in body(answer)) == (200, True), address


def walk(client: Client, admins: list[Any], *, own: Merchant, other: Merchant) -> tuple[list[str], list[Any]]:
    """Every page, question and act of these admins, asked by a manager of `own`: the addresses that were looked at, and
    those where something of `other` was met."""
    seen: list[str] = []
    met: list[Any] = []

    def look(address: str, **query: Any) -> Any:
        answer = client.get(address, query)
        seen.append(address)
        echoed = str(query.get("q", ""))
        # The address of every order of the factories is in a street that is called so.
        if not echoed and UNSEEN in body(answer).replace("14 unseen street", ""):
            met.append((address, query))
        return answer

    for model_admin in admins:
        start = f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}"
        changelist = reverse(f"{start}_changelist")
        for row in rows_of(own, model_admin.model):
            for address in addresses_of_row(row):
                look(address)
        for row in rows_of(other, model_admin.model):
            for query in questions(model_admin, row):
                answer = look(changelist, **query)
                if answer.status_code == 200 and list(answer.context["cl"].result_list):
                    met.append((changelist, query))
            for address in addresses_of_row(row):
                nowhere = address.replace(f"/{row.pk}/", f"/{NOWHERE}/")
                for answer, absent in (
                    (look(address), client.get(nowhere)),
                    (client.post(address, {"post": "yes"}), client.post(nowhere, {"post": "yes"})),
                ):
                    if (answer.status_code, absent.status_code) not in {(404, 404), (403, 403)}:
                        met.append((address, answer.status_code, absent.status_code))
            for action in actions_of(model_admin):
                for across in ("0", "1"):
                    sent = {"action": action, "_selected_action": [row.pk], "select_across": across, "post": "yes"}
                    answer = client.post(changelist, sent, follow=True)
                    if UNSEEN in body(answer):
                        met.append((changelist, action))
    return seen, met


def test_manager_meets_no_row_of_another_merchant(own: Merchant, other: Merchant) -> None:
    manager = staff("manager", Role.MANAGER, own)
    client = signed_in(manager)
    before = everything()
    for address in addresses_of_site():
        assert UNSEEN not in body(client.get(address)), address
    for asked in autocompletes():
        for term in ("", UNSEEN):
            assert UNSEEN not in body(client.get(reverse("admin:autocomplete"), {**asked, "term": term})), asked
    seen, met = walk(client, tenant_admins(), own=own, other=other)
    assert met == []
    assert len(seen) > 100
    after = everything()
    for table, rows in before.items():
        assert [row for row in after[table] if UNSEEN in str(row)] == [row for row in rows if UNSEEN in str(row)]


def test_own_run_shows_nothing_of_a_merchant_that_was_taken_away(own: Merchant, other: Merchant) -> None:
    manager = staff("manager", Role.MANAGER, own)
    now = timezone.now()
    for is_rehearsal in (False, True):
        run = BulkRun.objects.create(
            act="match_again", started_by=manager, total=2, found=2, started_at=now, is_rehearsal=is_rehearsal
        )
        for merchant in (own, other):
            row = rows_of(merchant, TikTokReturn).get()
            outcome = "DIFFERS" if is_rehearsal else "FAILED"
            BulkItem.objects.create(
                merchant=merchant,
                run=run,
                tiktok_return=row,
                outcome=outcome,
                detail=row.return_id,
                summary=row.return_id,
            )
        page = body(signed_in(manager).get(reverse("admin:returns_bulkrun_change", args=[run.pk])))
        assert "own-return" in page
        assert UNSEEN not in page


def test_viewer_changes_nothing(own: Merchant) -> None:
    client = signed_in(staff("viewer", Role.VIEWER, own))
    before, logged = everything(), AuditEntry.objects.count()
    allowed = []
    for address in addresses_of_site():
        client.post(address, {"post": "yes", "name": "changed"})
    for model_admin in tenant_admins():
        start = f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}"
        changelist = reverse(f"{start}_changelist")
        for row in rows_of(own, model_admin.model):
            allowed += [at for at in addresses_of_row(row) if client.post(at, {"post": "yes"}).status_code == 200]
            for action in actions_of(model_admin):
                sent = {"action": action, "_selected_action": [row.pk], "select_across": "1", "post": "yes"}
                client.post(changelist, sent)
    assert everything() == before
    assert AuditEntry.objects.count() == logged
    assert [address for address in allowed if not address.endswith("/history/")] == []


def test_viewer_is_offered_no_act_and_no_buyer_data(own: Merchant) -> None:
    client = signed_in(staff("viewer", Role.VIEWER, own))
    for model_admin in tenant_admins():
        address = reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
        answer = client.get(address)
        assert answer.status_code in {200, 403}
        assert 'name="action"' not in body(answer), address
        for row in rows_of(own, model_admin.model):
            for page in addresses_of_row(row):
                assert "unseen street" not in body(client.get(page))
    row = rows_of(own, apps.get_model("returns", "TikTokReturn")).get()
    assert client.get(reverse("admin:returns_tiktokreturn_label", args=[row.pk])).status_code == 403


def test_no_list_costs_more_with_three_merchants_than_with_one(own: Merchant, admin_client: Client) -> None:
    def queries() -> dict[str, int]:
        counted = {}
        for model_admin in tenant_admins():
            address = reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
            with CaptureQueriesContext(connection) as captured:
                assert admin_client.get(address).status_code == 200
            counted[address] = len(captured)
        return counted

    queries()
    one = queries()
    one_of_everything("second")
    one_of_everything("third")
    assert queries() == one
    assert {address: count for address, count in one.items() if count > 15} == {}


@pytest.mark.parametrize("role", list(Role))
def test_pages_of_people_and_of_the_queue_are_for_administrators(role: Role, own: Merchant) -> None:
    user = staff("somebody", role, own)
    apps_of_others = ("auth", "django_q")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=apps_of_others))
    client = signed_in(user)
    admins = [each for each in admin.site._registry.values() if each.opts.app_label in apps_of_others]
    assert len(admins) >= 6
    for model_admin in admins:
        address = reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")
        assert client.get(address).status_code == 403


def test_administrator_opens_every_page(own: Merchant, admin_client: Client) -> None:
    answers = {address: admin_client.get(address).status_code for address in addresses_of_site()}
    refused = {address: status for address, status in answers.items() if status >= 400 and "/add/" not in address}
    assert refused == {reverse("admin:autocomplete"): 403}
    for model_admin in admin.site._registry.values():
        for row in model_admin.model._default_manager.all()[:1]:
            assert admin_client.get(addresses_of_row(row)[-1]).status_code in {200, 302}


def test_sidebar_offers_what_the_role_may_see(own: Merchant) -> None:
    offered = {}
    for role in Role:
        answer = signed_in(staff(role, role, own)).get(reverse("admin:returns_tiktokreturn_changelist"))
        groups = answer.context["sidebar_navigation"]
        offered[role] = [item["title"] for group in groups for item in group["items"]]
        pages = {item["link"] for group in groups for item in group["items"]}
        client = signed_in(User.objects.get(username=role))
        assert [link for link in pages if client.get(link).status_code != 200] == []
    assert "Needs attention" in offered[Role.VIEWER]
    assert set(offered[Role.MANAGER]) - set(offered[Role.VIEWER]) == {"Audit log"}
    assert set(offered[Role.LEAD]) - set(offered[Role.MANAGER]) == {"Assignments"}


def test_sidebar_has_no_list_of_wake_ups_that_are_in_redis(admin_client: Client, settings: Any) -> None:
    def queue() -> list[str]:
        groups = admin_client.get(reverse("admin:index")).context["sidebar_navigation"]
        return [item["title"] for group in groups if group["title"] == "Queue" for item in group["items"]]

    assert queue() == ["Queued wake-ups", "Failed wake-ups"]
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert queue() == ["Failed wake-ups"]


def test_preset_is_marked_where_one_stands(admin_client: Client) -> None:
    address = reverse("admin:returns_tiktokreturn_changelist")
    for query, title in (({}, "TikTok returns"), ({"status__exact": "WAITING"}, "Waiting")):
        groups = admin_client.get(address, query).context["sidebar_navigation"]
        assert [item["title"] for group in groups for item in group["items"] if item["active"]] == [title]


def test_every_model_of_a_merchant_is_scoped() -> None:
    """A row of the admin that says whose it is, is shown by a page that asks."""
    assert [each for each in tenant_admins() if not hasattr(each, "may")] == []


def test_every_model_of_ours_says_whose_its_rows_are() -> None:
    registered = [each.model for each in tenant_admins()]
    assert BulkRun in registered
    assert [model for model in registered if not path_to_merchant(model) and model not in THROUGH_OTHERS] == []

"""`python -m tests.benchmarks.pushing`: pushes, finds and imports orders on the database in DATABASE_URL.

One process for one database, since Django's settings are read once. It starts the shipped web server and the peers
(order_peers.py), and prints one line of JSON with what it measured. `orders.py` starts it and shows the figures.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from tests.benchmarks.databases import Database
from tests.benchmarks.load import Outcome, drive, percentile
from tests.benchmarks.options import Options, options
from tests.benchmarks.order_peers import TABLES
from tests.benchmarks.servers import FOLDER, Servers, end_cleanly, migrate, product_environment, servers

BATCH = 500
ITEMS = 3
CONNECTIONS = 4
PATIENCE = 180.0  # seconds
PRODUCT = "product"
PEERS = ("serializer", "same_rows", "lean_rows")
TABLES_OF = {
    PRODUCT: ("matching_orderpush", "matching_salesorderitem", "matching_salesorder"),
    "serializer": ("peer_item", "peer_order"),
    "same_rows": ("matching_salesorderitem", "matching_salesorder"),
    "lean_rows": ("peer_item", "peer_order"),
}
GROWN_ORDER = (
    "INSERT INTO matching_salesorder (id, merchant_id, external_order_id, external_order_id_folded, oms_order_id,"
    " metadata_conflict, rebound_id, customer_address, payload, source, content_hash, first_seen_at, updated_at) "
)
GROWN_ITEM = (
    "INSERT INTO matching_salesorderitem (merchant_id, order_id, position, external_item_id, rebound_id, sku,"
    " description, quantity, currency, hs_code, country_of_origin, weight_unit) "
)
ITEM_VALUES = "SELECT {merchant}, n, 0, 'i-' || n, '', 'sku', '', 1, '', '', '', '' FROM "
ORDER_VALUES = "SELECT n, {merchant}, 'GROWN-' || n, 'grown-' || n, 'GROWN-' || n, '', '', "
COUNTED = "WITH RECURSIVE made(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM made WHERE n < {last}) "
MADE_AT = "'2026-11-20 09:31:00'"
SERIES = "generate_series({first}, {last}) AS made(n)"
GROW = {
    "sqlite": (
        f"{COUNTED} {GROWN_ORDER} {ORDER_VALUES} x'', '{{{{}}}}', 'PUSHED', 'x', {MADE_AT}, {MADE_AT} FROM made",
        f"{COUNTED} {GROWN_ITEM} {ITEM_VALUES} made",
    ),
    "postgresql": (
        f"{GROWN_ORDER} {ORDER_VALUES} ''::bytea, '{{{{}}}}', 'PUSHED', 'x', now(), now() FROM {SERIES}",
        f"{GROWN_ITEM} {ITEM_VALUES} {SERIES}",
    ),
}
VERSION = "2026-11-20T09:31:00Z"


class Broken(Exception):
    """An order was refused or lost: no figure is worth anything then."""


def order(order_id: str, *, version: str = VERSION) -> dict[str, Any]:
    return {
        "clientOrderId": order_id,
        "clientOrderCreatedDate": "2026-11-20T09:30:00Z",
        "updatedAt": version,
        "customerAddress": {
            "firstName": "Ada",
            "lastName": "Okafor",
            "addressLine1": "14 Quay Street",
            "city": "Bristol",
            "postalCode": "BS1 4DJ",
            "countryCode": "GB",
            "email": "ada@example.com",
        },
        "salesItems": [
            {
                "sku": f"sku-{number}",
                "description": "Wool socks, grey",
                "quantity": 2,
                "price": "19.90",
                "currencyCode": "GBP",
                "hsCode": "611595",
                "countryOfOrigin": "PT",
                "weight": "0.35",
                "weightUnit": "kg",
                "clientMetadata": {"omsItemId": f"{order_id}-{number}"},
            }
            for number in range(ITEMS)
        ],
        "clientMetadata": {"omsOrderId": order_id},
    }


def request(body: Any, *, token: str, path: str = "/api/v1/sales-orders:batch") -> bytes:
    """The whole request, as it goes over the wire."""
    raw = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


def batches(name: str, count: int, *, token: str) -> list[bytes]:
    return [
        request([order(f"{name}-{batch}-{number}") for number in range(BATCH)], token=token) for batch in range(count)
    ]


def checked(name: str, outcome: Outcome, *, good: tuple[int, ...] = (200,)) -> Outcome:
    answered = sum(outcome.statuses[status] for status in good)
    if outcome.lost or answered != outcome.statuses.total() or not answered:
        raise Broken(f"{name}: {outcome.lost} without an answer, statuses {dict(outcome.statuses)}")
    return outcome


class Pushing:
    def __init__(self, started: Servers, wanted: Options) -> None:
        self.wanted = wanted
        self.started = started
        url = os.environ["DATABASE_URL"]
        self.made = Database("sqlite" if url.startswith("sqlite") else "postgresql", url)
        self.environment = product_environment(url, ORDER_PUSHES_PER_MINUTE="1000000")
        os.environ.update(self.environment)
        migrate(self.environment)
        for statement in TABLES[self.made.kind]:
            self.made.run(statement)
        django.setup()
        self.merchant, self.token = _merchant()
        processes = 1 if self.made.kind == "sqlite" else 2  # the product's own defaults
        self.ports = {PRODUCT: started.serve(PRODUCT, self.environment)}
        environment = self.environment | {"PEER_MERCHANT": str(self.merchant.pk)}
        for peer in PEERS:
            self.ports[peer] = started.serve_peer(
                peer, environment, processes=processes, application="tests.benchmarks.order_peers:application"
            )

    def drive(self, name: str, requests: list[bytes], *, connections: int = CONNECTIONS) -> Outcome:
        return drive(self.ports[name], requests, connections=connections, seconds=PATIENCE)

    def pushes(self) -> dict[str, list[float]]:
        """Orders a second of each contender in each round, in turns; and of the product's unchanged push."""
        count = 2 if self.wanted.quick else 24
        found: dict[str, list[float]] = {name: [] for name in (*self.ports, "unchanged")}
        for number in range(-1, self.wanted.rounds):  # the first warms
            names = list(self.ports)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                self.made.clear(*TABLES_OF[name])
                requests = batches(f"r{number}", 2 if number < 0 else count, token=self.token)
                first = checked(name, self.drive(name, requests))
                self._count(name, len(requests) * BATCH)
                rates = {name: len(requests) * BATCH / first.seconds}
                if name == PRODUCT:
                    again = checked("unchanged", self.drive(name, requests))
                    rates["unchanged"] = len(requests) * BATCH / again.seconds
                for each, rate in rates.items():
                    if number >= 0:
                        found[each].append(rate)
        return found

    def _count(self, name: str, expected: int) -> None:
        table = TABLES_OF[name][-1]
        stored = self.made.run(f"SELECT count(*) FROM {table}")  # noqa: S608  # two names, both ours
        if stored != expected:
            raise Broken(f"{name}: {stored} orders stored of {expected}")

    def singles(self) -> dict[str, float]:
        """One order a request, over two connections: the median of the rounds."""
        count = 40 if self.wanted.quick else 1000
        path = "/api/v1/sales-orders"
        found: dict[str, list[float]] = {"p50": [], "p99": [], "a_second": []}
        for number in range(-1, self.wanted.rounds):  # the first warms
            names = [f"single-{number}-{each}" for each in range(40 if number < 0 else count)]
            requests = [request(order(name), token=self.token, path=path) for name in names]
            outcome = checked("single", self.drive(PRODUCT, requests, connections=2), good=(201,))
            if number >= 0:
                found["p50"].append(outcome.milliseconds(0.5))
                found["p99"].append(outcome.milliseconds(0.99))
                found["a_second"].append(count / outcome.seconds)
        return {name: statistics.median(each) for name, each in found.items()}

    def overlapping(self) -> dict[str, int]:
        """Six pushers with overlapping orders in any order: how many failed, and how many orders hold no newest."""
        from django.db import connection  # noqa: PLC0415  # after django.setup, as the models

        from matching.models import SalesOrder  # noqa: PLC0415

        before = self._deadlocks()
        luck = random.Random(7)
        newest: dict[str, str] = {}
        requests = []
        for number in range(12 if self.wanted.quick else 120):
            version = f"2026-11-20T10:{number // 60:02}:{number % 60:02}Z"
            names = luck.sample([f"overlap-{name}" for name in range(400)], 150)
            newest |= dict.fromkeys(names, version)
            requests.append(request([order(name, version=version) for name in names], token=self.token))
        luck.shuffle(requests)
        outcome = self.drive(PRODUCT, requests, connections=6)
        rows = SalesOrder.objects.filter(external_order_id__startswith="overlap-").defer("payload", "customer_address")
        stale = [row for row in rows if f"{row.version_at:%Y-%m-%dT%H:%M:%SZ}" != newest[row.external_order_id]]
        items = {row.pk: row.items.count() for row in rows}
        connection.close()
        return {
            "refused": outcome.refused + outcome.lost,
            "stale": len(stale) + len(newest) - len(items),
            "wrong_items": sum(count != ITEMS for count in items.values()),
            "deadlocks": self._deadlocks() - before,
        }

    def _deadlocks(self) -> int:
        if self.made.kind == "sqlite":
            return 0
        return int(self.made.run("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))

    def _batch_rate(self, name: str) -> float:
        """Orders a second of batches pushed now, for what is measured next to them."""
        requests = batches(name, 2 if self.wanted.quick else 24, token=self.token)
        return len(requests) * BATCH / checked(name, self.drive(PRODUCT, requests)).seconds

    def imports(self) -> list[dict[str, float]]:
        """Memory and speed of imports of several sizes, by the command as it is shipped, between batches."""
        rows = int(os.environ.get("IMPORT_ROWS", 6_000 if self.wanted.quick else 1_000_000))
        found = []
        for count in (rows // 4, rows):
            before = self._batch_rate(f"before-{count}")
            with tempfile.TemporaryDirectory(prefix="rebound-bench-") as folder:
                path = Path(folder) / "orders.csv"
                _write_csv(path, orders=count // ITEMS, name=f"import-{count}")
                started = time.perf_counter()
                command = [sys.executable, "manage.py", "import_orders", str(self.merchant.pk), str(path)]
                process = subprocess.Popen(
                    command, cwd=FOLDER, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                _, status, used = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - started
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    raise Broken(f"the import ended with {process.returncode}")
                rate = count / ITEMS / seconds
                beside = statistics.mean((before, self._batch_rate(f"after-{count}")))
                found.append(
                    {"rows": count, "orders_a_second": rate, "memory_mb": _peak_mb(used), "slower": beside / rate}
                )
        return found

    def look_ups(self) -> list[dict[str, float]]:
        """Finding an order with its items by external id, through the ORM, with ever more orders beside it."""
        scales = (2_000, 20_000) if self.wanted.quick else (100_000, int(os.environ.get("SCALE_ORDERS", 10_000_000)))
        self.made.clear(*TABLES_OF[PRODUCT])
        held, found = 0, []
        for scale in scales:
            self._grow(held, scale)
            held = scale
            _find(self.merchant, scale, tries=300)  # warm
            seconds = _find(self.merchant, scale, tries=200 if self.wanted.quick else 3000)
            found.append(
                {
                    "orders": scale,
                    "p50_ms": 1000 * percentile(seconds, 0.5),
                    "p99_ms": 1000 * percentile(seconds, 0.99),
                }
            )
        return found

    def _grow(self, held: int, wanted: int) -> None:
        """Orders with an item each, made inside the database."""
        numbers = {"first": held + 1, "last": wanted, "merchant": self.merchant.pk}
        for statement in GROW[self.made.kind]:
            self.made.run(statement.format(**numbers))
        self.made.run("ANALYZE")


def _peak_mb(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024


def _merchant() -> tuple[Any, str]:
    from django.utils import timezone  # noqa: PLC0415  # after django.setup, as the models

    from merchants.api_access import create_client, grant_token, verify_secret  # noqa: PLC0415
    from merchants.models import ApiScope, Merchant  # noqa: PLC0415

    now = timezone.now()
    merchant = Merchant.objects.create(name="Bench", created_at=now)
    client, secret = create_client(merchant=merchant, name="OMS", scopes=list(ApiScope.values), now=now)
    live = verify_secret(client_id=client.client_id, client_secret=secret.plain)
    return merchant, grant_token(live, scopes=[], now=now)[1].plain


def _find(merchant: Any, scale: int, *, tries: int) -> list[float]:
    from matching.id_rules import IdRules  # noqa: PLC0415  # after django.setup, as the models
    from matching.orders import orders_with_id  # noqa: PLC0415

    rules = IdRules()
    luck = random.Random(scale)
    seconds = []
    for _ in range(tries):
        wanted = f"GROWN-{luck.randint(1, scale)}"
        started = time.perf_counter()
        rows = list(
            orders_with_id(merchant=merchant, external_order_id=wanted, rules=rules)
            .defer("customer_address")
            .prefetch_related("items")
        )
        seconds.append(time.perf_counter() - started)
        if [row.external_order_id for row in rows] != [wanted] or len(rows[0].items.all()) != 1:
            raise Broken(f"{wanted} was not found")
    return sorted(seconds)


def _write_csv(path: Path, *, orders: int, name: str) -> None:
    with path.open("w") as file:
        file.write("clientOrderId,clientOrderCreatedDate,updatedAt,firstName,lastName,addressLine1,city,postalCode,")
        file.write("countryCode,email,omsItemId,quantity,sku,description,price,currencyCode,hsCode,countryOfOrigin,")
        file.write("weight,weightUnit\n")
        for number in range(orders):
            for item in range(ITEMS):
                file.write(
                    f"{name}-{number},2026-11-20T09:30:00Z,{VERSION},Ada,Okafor,14 Quay Street,Bristol,BS1 4DJ,GB,"
                    f'ada@example.com,{name}-{number}-{item},2,sku-{item},"Wool socks, grey",19.90,GBP,611595,PT,'
                    "0.35,kg\n"
                )


def ratios(found: dict[str, list[float]], one: str, other: str) -> float:
    """The ratio of each round, both sides seconds apart, and then the median: the machine's moods cancel out."""
    return statistics.median(mine / theirs for mine, theirs in zip(found[one], found[other], strict=True))


def measure(wanted: Options) -> dict[str, Any]:
    with servers() as started:
        pushing = Pushing(started, wanted)
        steps: dict[str, Callable[[], Any]] = {
            "pushes": pushing.pushes,
            "single": pushing.singles,
            "overlapping": pushing.overlapping,
            "imports": pushing.imports,
            "look_ups": pushing.look_ups,
        }
        found: dict[str, Any] = {}
        for name, step in steps.items():
            print(f"  {pushing.made.title}: {name}", file=sys.stderr, flush=True)
            found[name] = step()
            print(f"    {found[name]}", file=sys.stderr, flush=True)
        return found


if __name__ == "__main__":
    end_cleanly()
    print(json.dumps(measure(options())))

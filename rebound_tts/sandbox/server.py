"""Puts the sandbox together: the Flask application with both remotes, the controls and the page, and the server.

`Sandbox` runs it inside a process, for tests; __main__.py runs it alone.
"""

import threading
from typing import Any, Self

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from rebound_tts.sandbox import (
    control,
    control_rebound,
    control_returns,
    control_tiktok,
    pages,
    rebound_gateway,
    rebound_orders,
    rebound_returns,
    seed,
    tiktok_aftersales,
    tiktok_auth,
    tiktok_documents,
    tiktok_events,
    tiktok_gateway,
    tiktok_logistics,
    tiktok_orders,
    tiktok_references,
    tiktok_returns,
)
from rebound_tts.sandbox.faults import FaultLayer, Faults, remote_of
from rebound_tts.sandbox.http_server import HttpServer
from rebound_tts.sandbox.world import World

# importing these registers their endpoints; the names keep an importer from dropping one as unused
ENDPOINT_MODULES = (
    control_rebound,
    control_returns,
    control_tiktok,
    rebound_orders,
    rebound_returns,
    tiktok_aftersales,
    tiktok_documents,
    tiktok_events,
    tiktok_logistics,
    tiktok_orders,
    tiktok_references,
    tiktok_returns,
)


class Sandbox:
    """A sandbox on a port of its own. `with Sandbox() as sandbox:` starts and stops it."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, empty: bool = False) -> None:
        self.world = World()
        self.faults = Faults()
        app = _create_app(self.world, self.faults, started_empty=empty)
        self._server = HttpServer(host, port, FaultLayer(app, self.world, self.faults))
        self.url = f"http://{host}:{self._server.port}"
        self.world.base_url = self.url
        seed.start_world(self.world, empty=empty)

    def connection(self) -> dict[str, Any]:
        """Everything that a client must know, as the command line prints it."""
        shop = next(iter(self.world.shops.values()), None)
        return {
            "tiktok_url": self.url,
            "rebound_url": self.url + rebound_gateway.PREFIX,
            "control_url": self.url + control.PREFIX,
            "page_url": f"{self.url}/",
            "app_key": self.world.app.key,
            "app_secret": self.world.app.secret,
            "service_id": self.world.app.service_id,
            "rebound_client_id": seed.REBOUND_CLIENT_ID,
            "rebound_client_secret": seed.REBOUND_CLIENT_SECRET,
            "seller_id": shop.seller_id if shop else None,
            "shop_id": shop.id if shop else None,
        }

    def start(self) -> None:
        """Serve from a thread."""
        threading.Thread(target=self.serve, name="sandbox-server", daemon=True).start()

    def serve(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _create_app(world: World, faults: Faults, *, started_empty: bool) -> Flask:
    app = Flask("rebound_tts.sandbox", static_folder=None)

    def fill(empty: bool | None) -> None:
        seed.start_world(world, empty=started_empty if empty is None else empty)

    tiktok_auth.add_routes(app, world)
    tiktok_gateway.add_routes(app, world)
    rebound_gateway.add_routes(app, world)
    control.add_routes(app, world, faults, fill)
    pages.add_routes(app, world)

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        """Each remote in its own words, whatever ended the call; Flask has logged a crash by then."""
        remote = remote_of(request.path)
        if remote == "tiktok":
            return tiktok_gateway.not_served(world, error)
        if remote == "rebound":
            return rebound_gateway.not_served(world, error)
        return control.not_served(error)

    return app

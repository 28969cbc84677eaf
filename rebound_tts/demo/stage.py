"""The performance: prepare the installation, start it, play the story, show what came of it."""

import secrets
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command

from merchants.rebound_events import renew_events_secret
from rebound_tts.demo import oms
from rebound_tts.demo.cast import Cast, assemble
from rebound_tts.demo.newcomer import newcomer
from rebound_tts.demo.processes import Processes
from rebound_tts.demo.sandbox_control import SandboxControl
from rebound_tts.demo.story import Expected, Story
from rebound_tts.demo.verdict import Verdict, judge, table

STORY_SECONDS = 60.0
LATER_SECONDS = 3.0  # by then a return knows that its order is not there yet
LOOK_SECONDS = 0.25
PASSWORD_BYTES = 9


def say(text: str) -> None:
    print(text, flush=True)


class Stage:
    """`sandbox`: the line that the sandbox printed first."""

    def __init__(
        self, processes: Processes, *, environment: dict[str, str], sandbox: dict[str, Any], web_port: int
    ) -> None:
        self.processes = processes
        self.environment = environment
        self.sandbox = SandboxControl(sandbox["control_url"])
        self.page_url = sandbox.get("page_url") or f"{sandbox['tiktok_url']}/"
        self.web_port = web_port
        self.web_url = f"http://127.0.0.1:{web_port}"
        self.started = time.monotonic()

    def perform(self, *, once: bool) -> int:
        """Answers the exit code: with `once`, 1 if any return came out otherwise than the story says."""
        say("Preparing the database.")
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        get_user_model().objects.create_superuser("demo", "demo@example.com", password)
        self._open()
        guest = newcomer(self.sandbox)
        good = self._show(self._tell())
        if once:
            return 0 if good else 1
        say(f"\nWizard:   {self.web_url}/   (be {guest.seller_name} at TikTok's consent page)")
        say(f"          ReBound client id {guest.client_id}, client secret {guest.client_secret}")
        say(f"Admin:    {self.web_url}/admin/   (user demo, password {password})")
        say(f"Sandbox:  {self.page_url}   (buy something, write ids, start a return, see its label)")
        say("\nEverything stays up until Ctrl-C.")
        while True:
            time.sleep(1)
            self.processes.check()

    def _open(self) -> None:
        say("Starting the web server and the workers.")
        self.processes.start("web", "manage.py", "serve", "--port", str(self.web_port), environment=self.environment)
        self.processes.start("workers", "manage.py", "work", environment=self.environment)
        self.processes.wait_for("web", f"{self.web_url}/livez")
        self.sandbox.post(
            "/settings",
            webhook_url=f"{self.web_url}/webhooks/tiktok",
            redirect_url=f"{self.web_url}/tiktok/callback",
            webhook_retry_scale=0.01,
        )

    def _tell(self) -> list[Verdict]:
        say("Two merchants connect three shops.")
        cast = assemble(self.sandbox)
        self._take_events(cast)
        story = Story(self.sandbox, cast)
        say("A return whose ReBound answer gets lost on the way.")
        told = story.first_chapter()
        self._wait(told)
        say("Buyers start their returns; the OMS pushes orders to ReBound.")
        told += story.chapters()
        say("An OMS that has read the guide pushes an order to us; it is refused with a report, mended, and taken.")
        told += oms.chapter(story, oms.signed_up(self.web_url, story.cast.oms), say=say)
        time.sleep(LATER_SECONDS)
        for act in story.later:
            act()
        say("Waiting for labels; one return waits out its order.")
        return self._wait(told, after_delivery=story.after_delivery)

    def _take_events(self, cast: Cast) -> None:
        """ReBound is told where each account's events go, and how they are signed."""
        for account in {
            player.shop.rebound_account for player in (cast.shopify, cast.oms) if player.shop.rebound_account
        }:
            key, secret = renew_events_secret(account)
            url = f"{self.web_url}/webhooks/rebound/{key}"
            self.sandbox.post(f"/rebound-clients/{account.client_id}", events_url=url, events_secret=secret)

    def _wait(self, told: list[Expected], *, after_delivery: list[Callable[[], None]] | None = None) -> list[Verdict]:
        """Until every return is as the story expects, or time is up."""
        acts = list(after_delivery or [])
        deadline = time.monotonic() + STORY_SECONDS
        shown = -1
        while True:
            self.processes.check()
            held = self._return_orders()
            verdicts = [judge(expected, sandbox=self.sandbox, return_orders=held) for expected in told]
            good = sum(verdict.is_good for verdict in verdicts)
            if good != shown:
                say(f"  {good} of {len(told)} returns are where they belong.")
                shown = good
            if acts and all(verdict.is_delivered for verdict in verdicts if verdict.expected.label):
                say("A buyer cancels, an order comes late, a manager links by hand, a parcel comes back.")
                for act in acts:
                    act()
                acts = []
            if good == len(told) or time.monotonic() > deadline:
                return verdicts
            time.sleep(LOOK_SECONDS)

    def _return_orders(self) -> dict[str, list[dict[str, Any]]]:
        """What ReBound holds, by our reference."""
        held: dict[str, list[dict[str, Any]]] = {}
        for order in self.sandbox.get("/state")["return_orders"]:
            held.setdefault(order["rmaNumber"], []).append(order)
        return held

    def _show(self, verdicts: list[Verdict]) -> bool:
        say("")
        say(table(verdicts))
        measured = [verdict.seconds for verdict in verdicts if verdict.seconds is not None]
        good = sum(verdict.is_good for verdict in verdicts)
        median = f"{statistics.median(measured):.2f} s" if measured else "none"
        whole = time.monotonic() - self.started
        say(f"\n{good} of {len(verdicts)} as expected. Median from webhook to label: {median}. {whole:.0f} s in all.")
        return good == len(verdicts)

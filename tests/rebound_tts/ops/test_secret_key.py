"""Changing SECRET_KEY: sessions and queued wake-ups live on, and without the old key no work is lost."""

import io
import re

import pytest
from django.core import signing
from django.core.management import call_command
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage

from returns import tasks
from returns.bell import Bell
from returns.models import WebhookEvent
from tests.factories import WebhookEventFactory

pytestmark = pytest.mark.django_db
NEW = "another secret key for tests, long enough to please every check of Django"


def printed() -> dict[str, str]:
    out = io.StringIO()
    call_command("next_keys", stdout=out, stderr=io.StringIO())
    return dict(line.partition("=")[::2] for line in out.getvalue().splitlines())


def test_command_prints_what_keeps_the_old_keys_good(settings):
    keys = printed()
    assert list(keys) == ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "FIELD_ENCRYPTION_KEYS"]
    assert len(keys["SECRET_KEY"]) > 50
    assert keys["SECRET_KEY"] != settings.SECRET_KEY
    assert keys["SECRET_KEY_FALLBACKS"] == settings.SECRET_KEY
    ids = re.findall(r"(?:^|,)([^:,]+):", keys["FIELD_ENCRYPTION_KEYS"])
    assert ids == [f"{timezone.now():%Y%m%d}", "t1", "t0"]


def test_what_the_old_key_signed_is_good_as_a_fallback(settings):
    signed = signing.dumps({"user": 1})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [settings.SECRET_KEY]
    assert signing.loads(signed) == {"user": 1}


def test_changed_key_loses_wake_ups_and_no_work(monkeypatch):
    """Workers drop every job that the old key signed; the sweep rings for the work, which is in the tables."""
    event = WebhookEventFactory(handled_at=None, outcome="", shop_id="1")
    monkeypatch.setattr(tasks, "bell", Bell())
    assert tasks.sweep()
    job = OrmQ.objects.get()
    monkeypatch.setattr(Conf, "SECRET_KEY", NEW)
    with pytest.raises(BadSignature):
        SignedPackage.loads(job.payload)
    OrmQ.objects.all().delete()  # which is what the cluster does with it
    monkeypatch.setattr(tasks, "bell", Bell())
    assert tasks.sweep()
    task = SignedPackage.loads(OrmQ.objects.get().payload)
    assert task["func"] == "returns.tasks.drain"
    tasks.drain()
    assert WebhookEvent.objects.get(pk=event.pk).handled_at is not None

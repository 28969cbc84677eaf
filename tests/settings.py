"""Settings of the test run: the product's own, with made-up values for what it asks of the environment."""

import os

os.environ.update(
    DEBUG="false",
    HTTPS="false",
    SECRET_KEY="a secret key for tests only, long enough to please every check of Django",
    FIELD_ENCRYPTION_KEYS="t1:dGVzdC1vbmx5LWtleS0wMTIzNDU2Nzg5YWJjZGVmLi4=,t0:b2xkLXRlc3Qta2V5LTAxMjM0NTY3ODlhYmNkZWYuLi4=",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    TIKTOK_APP_KEY="6abc1def2ghij",
    TIKTOK_APP_SECRET="1f2e3d4c5b6a79880123456789abcdef01234567",
    TIKTOK_SERVICE_ID="7000000000000000001",
    LOG_LEVEL="WARNING",
    STAFF_SECOND_FACTOR="false",
)

from rebound_tts import settings as product  # the environment above must be there first
from rebound_tts.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = product.STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
DATABASES = product.DATABASES
if DATABASES["default"]["ENGINE"] == "rebound_tts.sqlite":
    DATABASES["default"]["TEST"] = {"NAME": ":memory:"}
WHITENOISE_AUTOREFRESH = True  # serves from the apps: nothing was collected
WHITENOISE_USE_FINDERS = True
TALLY_SECONDS = 0  # a thread of its own would write while a test looks

"""Every setting, read from the environment and nowhere else.

A missing or impossible value ends the start with one line that names the variable and the remedy. `.env` beside
`manage.py` is read first, where it exists; what the environment says wins. `.env.example` lists every variable.
"""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from rebound_tts.environment import database, days, env, field_keys, networks, number, required, switch, url

BASE_DIR = Path(__file__).resolve().parent.parent
env.read_env(BASE_DIR / ".env")


# --- The installation -----------------------------------------------------------------------------------

DEBUG = switch("DEBUG", False)
SECRET_KEY = required("SECRET_KEY", "Set it to 50 or more random characters; `make keys` prints one.")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
FIELD_ENCRYPTION_KEYS = field_keys("FIELD_ENCRYPTION_KEYS")
CSRF_FAILURE_VIEW = "merchants.wizard.arrival.form_refused"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "rebound_tts.apps.StaffSiteConfig",  # Django's admin, with a site of ours
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",  # its widget templates, for a renderer that finds ours too
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "rebound_tts",
    "rebound_tts.ops",
    "merchants",
    "matching",
    "returns",
]
MIDDLEWARE = [
    "rebound_tts.middleware.WebhooksMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "rebound_tts.middleware.HeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "rebound_tts.middleware.SessionMiddleware",
    "rebound_tts.middleware.LocaleMiddleware",
    "rebound_tts.middleware.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "rebound_tts.middleware.AuthenticationMiddleware",
    "rebound_tts.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "rebound_tts.urls"
WSGI_APPLICATION = "rebound_tts.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "rebound_tts" / "locale"]  # of the templates; what an app's code says stands in the app
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
X_FRAME_OPTIONS = "DENY"

# HTTPS is on unless the environment says that the site is plain HTTP on purpose (a laptop, the demo).
HTTPS = switch("HTTPS", not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if switch("BEHIND_PROXY", False) else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# Probes come from inside the network, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|readyz/web|metrics)$"]
# Proxies in front that each append to X-Forwarded-For; see rebound_tts/client_address.py.
TRUSTED_PROXIES = number("TRUSTED_PROXIES", 1 if SECURE_PROXY_SSL_HEADER else 0, least=0, most=10)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
ADMIN_NETWORKS = networks("ADMIN_NETWORKS")
# Other hosts that a form of ours may lead to by a redirect, which browsers count as the form's target.
FORM_TARGETS = env.list("FORM_TARGETS", default=[])

# --- Database -------------------------------------------------------------------------------------------

DATABASES = {
    "default": database(
        "DATABASE_URL",
        f"sqlite:///{BASE_DIR}/var/rebound_tts.sqlite3",
        prepared_statements=switch("PREPARED_STATEMENTS", True),
    )
}

# --- Queue: our tables are the list of work, a job is a wake-up -----------------------------------------

QUEUE_WORKERS = number("QUEUE_WORKERS", 2, least=1, most=64)
# Threads a worker: remote calls wait, not compute. Each keeps a connection to the database; PostgreSQL has 100 to give.
RETURNS_AT_A_TIME = number("RETURNS_AT_A_TIME", min(max(48 // QUEUE_WORKERS, 4), 24), least=1, most=64)
REDIS_URL = env.str("REDIS_URL", default="")
Q_CLUSTER: dict[str, Any] = {
    "name": "rebound_tts",
    "workers": QUEUE_WORKERS,
    "timeout": 120,  # seconds; a drain stops by itself after 30
    "queue_limit": QUEUE_WORKERS,  # a prefetched job's clock already runs
    "retry": 300,  # more than timeout * (1 + queue_limit / workers), else a job runs twice
    "ack_failures": True,  # a failed wake-up is not repeated: the sweep finds what is due
    "max_attempts": 1,
    "save_limit": -1,  # results are not kept: our tables hold what happened
    "poll": 0.05,  # seconds between looks: half of it is the median pick-up
    "bulk": 1,
    "catch_up": False,
    "recycle": 5000,
    "cache": "process",  # its statistics, written twice a second, which nobody reads
    "log_level": "WARNING",
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"
    Q_CLUSTER["broker_class"] = "rebound_tts.broker.QuietOrmBroker"
# What must be counted once for all processes (failed sign-ins) is in "default"; "process" is each one's own. Neither is
# in Redis: an installation whose Redis is away takes orders and people all the same.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "rebound_tts_cache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
# The wake-up of one web process rings at most once in this time; a drain lingers longer than that.
BELL_SECONDS = 0.1

# --- TikTok Shop and ReBound ----------------------------------------------------------------------------

TIKTOK_APP_KEY = env.str("TIKTOK_APP_KEY", default="")
TIKTOK_APP_SECRET = env.str("TIKTOK_APP_SECRET", default="")
# While the secret is changed in Partner Center: notifications that the one before signed are taken, too.
TIKTOK_APP_SECRET_BEFORE = env.str("TIKTOK_APP_SECRET_BEFORE", default="")
TIKTOK_SERVICE_ID = env.str("TIKTOK_SERVICE_ID", default="")
TIKTOK_API_URL = url("TIKTOK_API_URL", "https://open-api.tiktokglobalshop.com")
TIKTOK_AUTH_URL = url("TIKTOK_AUTH_URL", "https://auth.tiktok-shops.com")
# Where a seller authorizes the app in the browser: one page for shops in the United States, one for all others.
TIKTOK_CONSENT_URL = url("TIKTOK_CONSENT_URL", "https://services.tiktokshop.com")
TIKTOK_US_CONSENT_URL = url("TIKTOK_US_CONSENT_URL", "https://services.us.tiktokshop.com")
# How TikTok reaches us with webhooks: https, a host name, no port.
PUBLIC_URL = url("PUBLIC_URL", f"https://{ALLOWED_HOSTS[0].lstrip('.*')}" if ALLOWED_HOSTS else "https://localhost")
REBOUND_API_URLS = {
    "PRE": url("REBOUND_PRE_API_URL", "https://api.pre.reboundplatform.com"),
    "PROD": url("REBOUND_API_URL", "https://api.reboundplatform.com"),
}
REBOUND_AUTH_URLS = {
    "PRE": url("REBOUND_PRE_AUTH_URL", REBOUND_API_URLS["PRE"]),
    "PROD": url("REBOUND_AUTH_URL", REBOUND_API_URLS["PROD"]),
}
# A page on which a person can start a real return; only an installation that talks to a sandbox has one.
SANDBOX_PAGE_URL = url("SANDBOX_PAGE_URL", "") if env.str("SANDBOX_PAGE_URL", default="") else ""
REMOTE_CONNECT_SECONDS = number("REMOTE_CONNECT_SECONDS", 5, least=1, most=30)
REMOTE_READ_SECONDS = number("REMOTE_READ_SECONDS", 20, least=1, most=60)
# How long after it was sent a creation at ReBound may still be carried out, its answer lost. We give up after 45 s at
# most, and may have renewed a token before; gateways end what runs behind them after 60 s, some only after 230 s.
CREATION_LANDS_SECONDS = number("CREATION_LANDS_SECONDS", 300, least=30, most=3600)

# --- Web ------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Order sync",
    "DESCRIPTION": (
        "An OMS pushes its orders, and returns from TikTok Shop are linked to them. "
        "Guide: [/docs/orders](/docs/orders)."
    ),
    "VERSION": "1.2.0",
    "OAS_VERSION": "3.1.0",
    "PREPROCESSING_HOOKS": ["matching.api.schema.only_documented"],
    "POSTPROCESSING_HOOKS": ["matching.api.schema.add_components"],
    "PATH_CONVERTER_OVERRIDES": {"any_text": {"type": "string", "minLength": 1, "maxLength": 255}},
}
# Requests that one client of the order API may send, a batch counting once; see merchants/api_limits.py.
ORDER_PUSHES_PER_MINUTE = number("ORDER_PUSHES_PER_MINUTE", 6000, least=1, most=1_000_000)
# SQLite has one writer at a time, and one process of threads serves as much with half the memory.
WEB_PROCESSES = number("WEB_PROCESSES", 1 if "sqlite" in DATABASES["default"]["ENGINE"] else 2, least=1, most=64)
WEB_THREADS = number("WEB_THREADS", 4, least=1, most=64)

# --- Retention: days after which rebound_tts/ops/retention.py empties or deletes -----------------------


KEEP_DAYS = {
    "event_bodies": days("KEEP_EVENT_BODIES_DAYS", 30),  # what TikTok and ReBound sent
    "events": days("KEEP_EVENTS_DAYS", 400),  # that they sent it
    "addresses": days("KEEP_ADDRESSES_DAYS", 90),  # of buyers, after their return ended
    "payloads": days("KEEP_PAYLOADS_DAYS", 180),  # the remotes' answers about returns
    "labels": days("KEEP_LABELS_DAYS", 90),  # the file; its tracking number stays
    "orders": days("KEEP_ORDERS_DAYS", 400),  # address and body of a sales order; ids and items stay
    "attempts": days("KEEP_ATTEMPTS_DAYS", 180),
    "audit": days("KEEP_AUDIT_DAYS", 730, least=366),  # what people did; the database keeps a year whatever is said
    "failed_jobs": days("KEEP_FAILED_JOBS_DAYS", 30),
}

# --- Probes and figures ---------------------------------------------------------------------------------

# Who may read /metrics. With neither of the two it does not exist.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_NETWORKS = networks("METRICS_NETWORKS")
READY_QUEUE_SECONDS = number("READY_QUEUE_SECONDS", 120, least=1, most=86_400)
TALLY_SECONDS = 5.0  # how often a process stores what it counted; 0: only when it is asked

# --- Mail -----------------------------------------------------------------------------------------------

# smtp+tls://<user>:<password>@<host>:587. Without one no mail leaves: no password is reset by mail, no alert sent.
EMAIL_URL = env.str("EMAIL_URL", default="")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="ReBound for TikTok Shop <no-reply@localhost>")
if EMAIL_URL:
    try:
        globals().update(env.email_url_config(EMAIL_URL))
    except Exception as error:
        raise ImproperlyConfigured(
            "EMAIL_URL cannot be read. Set it to smtp+tls://<user>:<password>@<host>:587."
        ) from error
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
# Where merchants write to when they need a hand; the help page names it.
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="")
if SUPPORT_EMAIL and "@" not in SUPPORT_EMAIL:
    raise ImproperlyConfigured(f"SUPPORT_EMAIL is {SUPPORT_EMAIL!r}. Set it to an e-mail address.")

# --- Staff sign in, and the admin -----------------------------------------------------------------------

# Whether staff need a second factor, or to come by the identity provider, to see any page of the admin.
STAFF_SECOND_FACTOR = switch("STAFF_SECOND_FACTOR", not DEBUG)
AUTHENTICATION_BACKENDS = ["rebound_tts.accounts.StaffBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_ADAPTER = "rebound_tts.accounts.AccountAdapter"
ACCOUNT_FORMS = {"login": "rebound_tts.accounts.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]  # nobody signs up; see accounts.py
ACCOUNT_EMAIL_VERIFICATION = "none"  # an administrator enters the address
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[ReBound for TikTok Shop] "
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a changed password or second factor is told by mail
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False  # a session ends with the browser
# Tries before one is refused: of an address, and of an account.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key", "reset_password": "20/m/ip,5/m/key"}
MFA_ADAPTER = "rebound_tts.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "ReBound for TikTok Shop"
MFA_TOTP_TOLERANCE = 1  # a clock may be half a minute off
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
MFA_RECOVERY_CODES_SHOW_ONCE = True
# An OpenID Connect provider. It opens no account: whom it names is found by the e-mail address that it verified.
OIDC_NAME = env.str("OIDC_NAME", default="OpenID Connect")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
SOCIALACCOUNT_ADAPTER = "rebound_tts.accounts.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_LOGIN_ON_GET = True  # the policy of our pages forbids a form that leads to another host
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {"openid_connect": {"APPS": [], "OAUTH_PKCE_ENABLED": True}}
if OIDC_CLIENT_ID:
    SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"] = [
        {
            "provider_id": "staff",
            "name": OIDC_NAME,
            "client_id": OIDC_CLIENT_ID,
            "secret": required("OIDC_CLIENT_SECRET", "OIDC_CLIENT_ID is set: the provider gave a secret with it."),
            "settings": {"server_url": url("OIDC_SERVER_URL", "")},
        }
    ]

UNFOLD = {
    "SITE_TITLE": "ReBound for TikTok Shop",
    "SITE_HEADER": "ReBound for TikTok Shop",
    "SITE_SYMBOL": "assignment_return",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "rebound_tts.sidebar.icon"}],
    # The icon's green. From 600 on, white text on it has a contrast of 4.5 and more.
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(60% .118 184.7)",
            "600": "oklch(51.1% .096 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(33% .055 190)",
            "950": "oklch(27.7% .046 192.5)",
        }
    },
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["rebound_tts.sidebar.stylesheet"],
    "SCRIPTS": ["rebound_tts.sidebar.script"],
    "DASHBOARD_CALLBACK": "returns.landing.landing",
    "SIDEBAR": {"show_search": True, "navigation": "rebound_tts.sidebar.navigation"},
}

# --- Logs: one JSON object a line on standard output ----------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL!r}. Set it to DEBUG, INFO, WARNING or ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"correlation": {"()": "rebound_tts.logs.CorrelationFilter"}},
    "formatters": {"json": {"()": "rebound_tts.logs.JsonFormatter"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["correlation"]}},
    "root": {"handlers": ["out"], "level": LOG_LEVEL},
    "loggers": {
        "django-q": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},  # its debug lines carry query strings, and so signatures
        "django.db.backends": {"level": "WARNING"},  # its debug lines carry values
    },
}

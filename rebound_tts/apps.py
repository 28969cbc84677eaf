from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class ReboundTtsConfig(AppConfig):
    name = "rebound_tts"
    default = True  # of several in this file Django takes none, else

    def ready(self) -> None:
        from rebound_tts import checks  # noqa: F401, PLC0415  # registers the system checks; needs loaded apps


class StaffSiteConfig(SimpleAdminConfig):
    """Django's admin. Its pages are loaded with the addresses (urls.py), not into every process: a worker has none."""

    default_site = "rebound_tts.staff_site.StaffSite"

    def ready(self) -> None:
        pass  # Django's checks would look at pages that nobody loaded; see checks.py

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "rebound_tts.ops"
    label = "ops"
    verbose_name = "Operation"

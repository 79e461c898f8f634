from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "webadmin.monitoring"
    label = "monitoring"
    verbose_name = "Monitoring"

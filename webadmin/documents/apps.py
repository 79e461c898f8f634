from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "webadmin.documents"
    label = "documents"
    verbose_name = "Aegis"  # a name in every language

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from webadmin.documents import views
from webadmin.monitoring.views import healthz

admin.site.site_header = admin.site.site_title = "Aegis"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/documents/states", views.states, name="states"),
    path("api/documents/<uuid:document>/progress", views.progress, name="progress"),
    path("healthz", healthz, name="healthz"),
]

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from webadmin.documents import views
from webadmin.monitoring.views import healthz

admin.site.site_header = admin.site.site_title = "Aegis"
admin.site.enable_nav_sidebar = False  # the list needs the width for its messages

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/documents/states", views.states, name="states"),
    path("api/documents/<uuid:document>/progress", views.progress, name="progress"),
    path("favicon.ico", RedirectView.as_view(url=static("documents/favicon.svg"))),
    path("healthz", healthz, name="healthz"),
]

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from webadmin.monitoring.views import healthz, metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("webadmin.console.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("favicon.ico", RedirectView.as_view(url=static("console/favicon.svg"))),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
]
handler400 = "webadmin.console.api.errors.bad_request"
handler500 = "webadmin.console.api.errors.server_error"

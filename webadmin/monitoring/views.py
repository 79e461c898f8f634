"""Is this process able to answer: asked by the stack and by load balancers, without a log-in, so it says no more than that. And
the metrics, which say more: for whoever may see documents, and if a setting says so for whoever asks from this machine."""

from __future__ import annotations

from ipaddress import ip_address

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from aegis_assets.errors import AegisError
from aegis_assets.settings import settings
from webadmin.console.page import READING, api
from webadmin.monitoring import metrics as read

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"state": "the ledger does not answer"}, status=503)
    return JsonResponse({"state": "ok"})


def metrics(request: HttpRequest) -> HttpResponse:
    if settings().metrics_open_to == "loopback" and request.method in READING and _from_here(request):
        return _metrics(request)
    answer: HttpResponse = api("documents.view_document")(_metrics)(request)
    return answer


def _metrics(request: HttpRequest) -> HttpResponse:
    try:
        return HttpResponse(read.scrape(), content_type=TEXT)
    except AegisError as error:
        return HttpResponse(f"# {error.message}\n", content_type=TEXT, status=503)


def _from_here(request: HttpRequest) -> bool:
    """What a proxy on this machine forwards comes from elsewhere."""
    if any(name.lower().startswith(("x-forwarded", "x-real-ip", "forwarded", "via")) for name in request.headers):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False

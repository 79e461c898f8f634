"""The JSON that the pages poll. State changes are not here: they are POSTs of the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from aegis_assets.errors import AegisError, NotFound
from webadmin.documents import platform, queries

MOST_IDS = 500
View = Callable[..., JsonResponse]


def _for_viewers(view: View) -> View:
    """Answers 401 and 403 in JSON: a redirect to the log-in page would look like a reply to a script."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: object) -> JsonResponse:
        if not request.user.is_authenticated:
            return JsonResponse({"error": "Log in first."}, status=401)
        if not (request.user.is_staff and request.user.has_perm("documents.view_document")):
            return JsonResponse({"error": "You may not see documents."}, status=403)
        return view(request, **arguments)

    return require_safe(never_cache(guarded))


@_for_viewers
def progress(request: HttpRequest, document: UUID) -> JsonResponse:
    try:
        return JsonResponse(platform.ledger().progress(document).model_dump(mode="json"))
    except NotFound as error:
        return JsonResponse({"error": error.message}, status=404)
    except AegisError as error:
        return JsonResponse({"error": error.message}, status=503)


@_for_viewers
def states(request: HttpRequest) -> JsonResponse:
    try:
        ids = [UUID(text) for text in request.GET.getlist("id")[:MOST_IDS]]
    except ValueError:
        return JsonResponse({"error": "An id is not a UUID."}, status=400)
    return JsonResponse({"documents": queries.states(ids)})

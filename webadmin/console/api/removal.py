"""A collection and all that it holds, removed by a script."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from aegis_assets.errors import NotFound
from aegis_assets.model.document import State
from aegis_assets.stores.ledger.base import clean
from webadmin.console import sentences
from webadmin.console.api.errors import refused, said
from webadmin.console.audit import trail
from webadmin.console.page import WRITING, api
from webadmin.documents import steering
from webadmin.documents.models import Collection


@api("documents.delete_collection", methods=WRITING)
@said
def remove_collection(request: HttpRequest, name: str) -> HttpResponse:
    """Remove the documents, and the collection once it has none. 202 until then: ask again. 409 while a document runs."""
    if not request.user.has_perm(f"documents.{steering.REMOVE.permission}"):
        return refused(_("You may not do this."), 403)
    name = clean(name)
    with transaction.atomic():
        collection = Collection.objects.select_for_update().filter(name=name).first()
        if collection is None:
            raise NotFound(f"There is no collection named {name!r}.")
        if not collection.documents.exists():
            trail.record(request, "collection.delete", collection)
            collection.delete()
            return JsonResponse({"collection": name, "removed": True, "documents": 0, "notice": ""})
    targets = {document.pk: document for document in collection.documents.exclude(state=State.REMOVING)}
    result = steering.REMOVE.steer(list(targets))
    trail.record_each(request, "document.remove", [targets[document] for document in result.done])
    if result.refused:
        return refused(result.refused[0].sentence, 409)
    left = collection.documents.count()
    return JsonResponse(
        {"collection": name, "removed": False, "documents": left, "notice": sentences.said(result.notice)}, status=202
    )

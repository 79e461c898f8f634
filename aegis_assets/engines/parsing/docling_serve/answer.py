"""The result of a conversion as docling's own types read it, checked as any other input is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from aegis_assets.engines.parsing.docling_serve.faults import NO_REASON, Fault, cleaned, of_task
from aegis_assets.engines.parsing.docling_serve.pages import move
from aegis_assets.engines.parsing.tree import Tree
from aegis_assets.errors import EngineFailed

ERRORS_READ: Final = 1000


class Answer(NamedTuple):
    """tree: None where the server sent no document. complete: no page is missing. faults: with pages of the document."""

    tree: Tree | None
    complete: bool
    faults: tuple[Fault, ...]


def read(body: bytes, shift: int) -> Answer:
    """Return what the server found. shift: what its page numbers lack. Raises EngineFailed for junk, and of_task's errors."""
    from docling.datamodel.base_models import ConversionStatus

    try:
        table = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EngineFailed("docling-serve answered with something that is not JSON. Check AEGIS_DOCLING_SERVE_URL.") from error
    if isinstance(table, dict) and isinstance(table.get("failure"), dict):
        failure = table["failure"]
        raise of_task(str(failure.get("category", "")), str(failure.get("message", "")))
    status = table.get("status") if isinstance(table, dict) else None
    if status not in {each.value for each in ConversionStatus}:
        raise EngineFailed("docling-serve answered without a document. Check that its version is 1 or newer.")
    document = table.get("document")
    content = document.get("json_content") if isinstance(document, dict) else None
    complete = status == ConversionStatus.SUCCESS.value
    if complete and not isinstance(content, dict):
        raise EngineFailed("docling-serve answered without a document. Check that its version is 1 or newer.")
    faults = tuple(_faults(table.get("errors"), shift))
    partly = complete or status == ConversionStatus.PARTIAL_SUCCESS.value
    return Answer(_checked(content, shift) if partly and isinstance(content, dict) else None, complete, faults)


def _faults(errors: object, shift: int) -> Iterator[Fault]:
    from docling.datamodel.base_models import DoclingComponentType, ErrorItem, FailureCategory

    categories, components = {each.value for each in FailureCategory}, {each.value for each in DoclingComponentType}
    for entry in errors[:ERRORS_READ] if isinstance(errors, list) else ():
        if not isinstance(entry, dict):
            continue
        # A newer server may know words that our docling does not.
        known = {
            **entry,
            "category": entry.get("category") if entry.get("category") in categories else FailureCategory.UNKNOWN,
            "component_type": (
                entry.get("component_type") if entry.get("component_type") in components else DoclingComponentType.PIPELINE
            ),
        }
        try:
            item = ErrorItem.model_validate(known)
        except ValidationError:
            continue
        page = None if item.page_no is None else item.page_no + shift
        reason = cleaned(item.error_message) or NO_REASON
        yield Fault(item.category.value, item.component_type.value, page, reason)


def _checked(content: dict[str, Any], shift: int) -> Tree:
    """Return a sound docling document with the page numbers of the document, or raise EngineFailed."""
    from docling_core.types.doc import DoclingDocument

    from aegis_assets.engines.parsing.convert import scrub

    _check_schema(content.get("version"))
    try:
        tree: Tree = DoclingDocument.model_validate(content).export_to_dict()
    except (ValueError, RecursionError) as error:
        raise EngineFailed("docling-serve answered with a damaged document. Its log has the details.") from error
    return move(scrub(tree, ""), shift)


def _check_schema(version: object) -> None:
    from docling_core.types.doc.document import CURRENT_VERSION

    if _numbers(version) > _numbers(CURRENT_VERSION):
        raise EngineFailed(
            f"docling-serve answered with a document of schema {cleaned(str(version))}, which is newer than what is read here"
            f" ({CURRENT_VERSION}): update docling-core here, or take an older docling-serve.",
            retryable=False,
        )


def _numbers(version: object) -> tuple[int, int]:
    """Return major and minor; (0, 0) for what is no version."""
    parts = re.fullmatch(r"(\d{1,5})\.(\d{1,5})\.\d{1,5}", str(version))
    return (int(parts[1]), int(parts[2])) if parts else (0, 0)

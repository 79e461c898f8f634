"""The sidebar. A link is shown to whom its page would open for; the page itself checks again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Link:
    """name: of a URL pattern without arguments. icon: a ligature of Material Symbols. permission: '' for whoever may log in."""

    title: str | Promise
    icon: str
    name: str
    permission: str = ""


GROUPS: Final[tuple[tuple[str | Promise, tuple[Link, ...]], ...]] = (
    (
        "",
        (
            Link(_("Dashboard"), "dashboard", "admin:index"),
            Link(_("Upload"), "upload_file", "admin:documents_document_add", "documents.add_document"),
            Link(_("Documents"), "description", "admin:documents_document_changelist", "documents.view_document"),
        ),
    ),
    (
        _("Knowledge"),
        (
            Link(_("Search"), "search", "console:search", "documents.view_document"),
            Link(_("Graph"), "hub", "console:graph", "documents.view_document"),
            Link(_("Collections"), "folder_open", "admin:documents_collection_changelist", "documents.view_collection"),
            Link(_("Merges"), "merge", "admin:documents_merge_changelist", "documents.view_merge"),
        ),
    ),
    (
        _("Platform"),
        (
            Link(_("Limits"), "tune", "console:limits", "documents.view_limit"),
            Link(_("People"), "group", "admin:auth_user_changelist", "auth.view_user"),
            Link(_("API tokens"), "key", "admin:console_apitoken_changelist", "console.view_apitoken"),
            Link(_("Audit"), "history", "admin:console_auditentry_changelist", "console.view_auditentry"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """As unfold's template wants it: groups without a link that may be seen are left out."""
    shown = [(title, [link for link in links if _may_see(request, link)]) for title, links in GROUPS]
    here = _here(request, [link for _title, links in shown for link in links])
    return [
        {
            "title": title,
            "items": [
                {"title": link.title, "icon": link.icon, "link": reverse(link.name), "active": link is here, "has_permission": True}
                for link in links
            ],
        }
        for title, links in shown
        if links
    ]


def _may_see(request: HttpRequest, link: Link) -> bool:
    return not link.permission or bool(request.user.has_perm(link.permission))


def _here(request: HttpRequest, links: list[Link]) -> Link | None:
    """The link whose address is the longest beginning of this page's; the dashboard's begins them all and counts alone."""
    home = reverse("admin:index")
    found = None
    for link in links:
        address = reverse(link.name)
        fits = request.path == address if address == home else request.path.startswith(address)
        if fits and (found is None or len(address) > len(reverse(found.name))):
            found = link
    return found

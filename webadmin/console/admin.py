"""Django looks for admin classes here; each lies with its page."""

from webadmin.console.audit import admin as audit
from webadmin.console.collections import admin as collections
from webadmin.console.documents import admin as documents
from webadmin.console.graph import admin as graph
from webadmin.console.people import admin as people

__all__ = ["audit", "collections", "documents", "graph", "people"]

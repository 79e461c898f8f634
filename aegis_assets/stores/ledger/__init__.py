"""The ledger: what is done, for which text, by which engine. The only memory of progress, in PostgreSQL.

One class, so that the flow has one thing to ask; its methods lie in one module for each subject.
"""

from __future__ import annotations

from aegis_assets.stores.ledger.checking import Checking
from aegis_assets.stores.ledger.chunks import Chunks
from aegis_assets.stores.ledger.collections import Collections
from aegis_assets.stores.ledger.deciding import Deciding
from aegis_assets.stores.ledger.documents import Documents
from aegis_assets.stores.ledger.extraction import Extractions
from aegis_assets.stores.ledger.failures import Failures
from aegis_assets.stores.ledger.generations import Generations
from aegis_assets.stores.ledger.graph_view import GraphView
from aegis_assets.stores.ledger.joining import Joining
from aegis_assets.stores.ledger.launching import Launching
from aegis_assets.stores.ledger.limits import Limits
from aegis_assets.stores.ledger.measures import Measuring
from aegis_assets.stores.ledger.progress import Progressing
from aegis_assets.stores.ledger.queries import Queries
from aegis_assets.stores.ledger.rebuilding import Rebuilding
from aegis_assets.stores.ledger.removed import Removals
from aegis_assets.stores.ledger.resolving import Resolving
from aegis_assets.stores.ledger.runs import Runs
from aegis_assets.stores.ledger.summaries import Summaries
from aegis_assets.stores.ledger.usage import Usage
from aegis_assets.stores.ledger.waiting import Waits
from aegis_assets.stores.ledger.walking import Walking
from aegis_assets.stores.ledger.watched import Watched
from aegis_assets.stores.ledger.windows import Windows


class Ledger(
    Collections,
    Documents,
    Watched,
    Launching,
    Runs,
    Waits,
    Generations,
    Windows,
    Chunks,
    Extractions,
    Failures,
    Removals,
    Joining,
    Resolving,
    Deciding,
    GraphView,
    Summaries,
    Rebuilding,
    Progressing,
    Measuring,
    Limits,
    Usage,
    Queries,
    Checking,
    Walking,
):
    """The ledger in PostgreSQL. url: postgresql://... Every method raises StoreUnavailable when PostgreSQL does not answer.

    What a run writes carries its run_id and raises Superseded once the document is another's.
    """


__all__ = ["Ledger"]

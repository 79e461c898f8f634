"""Which graph server answers: ArcadeDB says over Bolt that it is Neo4j, and only the name of its agent tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aegis_assets.model.graph import GraphServer

ABOUT: Final = "CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition"
AGENT: Final = re.compile(r"\((ArcadeDB) ([^)]*)\)")


def described(components: Sequence[Mapping[str, Any]], agent: str, database: str) -> GraphServer:
    """Return the server of these rows of dbms.components() and this agent, such as 'Neo4j/5.26.12'."""
    if inner := AGENT.search(agent):
        return GraphServer(product=inner.group(1), version=inner.group(2), edition="", database=database)
    kernel = next((row for row in components if row["name"] == "Neo4j Kernel"), None)
    if kernel is None:
        product, _, version = agent.partition("/")
        return GraphServer(product=product, version=version, edition="", database=database)
    return GraphServer(product="Neo4j", version=str(kernel["versions"][0]), edition=str(kernel["edition"]), database=database)

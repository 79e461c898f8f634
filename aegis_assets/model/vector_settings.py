"""How a collection's vectors are kept on a Qdrant server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictBool, StrictInt

from aegis_assets.model.parsing import Frozen


class VectorSettings(Frozen):
    """A collection's own; stored as JSON with it. None leaves a value to the server.

    The local mode ignores all of them. Shards and replicas act when the vector collection is created; the others at any time.
    """

    on_disk: StrictBool = False
    quantization: Literal["none", "scalar", "binary"] = "none"
    hnsw_m: StrictInt | None = Field(default=None, ge=4, le=256)
    hnsw_ef_construct: StrictInt | None = Field(default=None, ge=4, le=4096)
    shards: StrictInt | None = Field(default=None, ge=1, le=256)
    replicas: StrictInt | None = Field(default=None, ge=1, le=32)

"""How a collection lies on a Qdrant server: its vectors, indexes and quantisation, and the limits that strict mode sets.

The local mode has none of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aegis_assets.model.embedding import EmbedderInfo
from aegis_assets.model.vector_settings import VectorSettings
from aegis_assets.stores.qdrant_points import DENSE, SPARSE

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import CollectionInfo, StrictModeConfigOutput

PAGE: Final = 5000  # points per page of a scroll, which the local mode sorts anew for each
BATCH: Final = 256  # points per request: about 2 MB of JSON at 1,024 dimensions
REQUESTS: Final = 100  # searches per request
OVERSAMPLING: Final = {"scalar": 2.0, "binary": 3.0}  # candidates per hit wanted that are scored anew by their whole vectors


@dataclass(frozen=True)
class Shape:
    """What requests to a collection have to keep to. page: points per answer. batch: points per write. ids: values per condition.

    requests: searches per request. oversampling: of a quantised collection, 0 where vectors are whole.
    """

    page: int = PAGE
    batch: int = BATCH
    ids: int = BATCH
    requests: int = REQUESTS
    oversampling: float = 0.0


def shape_of(info: CollectionInfo) -> Shape:
    """Return the shape of a collection as the server tells it."""
    strict = info.config.strict_mode_config
    limits = strict if strict is not None and strict.enabled else None
    most = getattr(limits, "search_max_oversampling", None) or math.inf
    return Shape(
        page=_least(PAGE, limits, "max_query_limit"),
        batch=_least(BATCH, limits, "upsert_max_batchsize"),
        ids=_least(BATCH, limits, "condition_max_size"),
        requests=_least(REQUESTS, limits, "search_max_batchsize"),
        oversampling=min(OVERSAMPLING.get(quantization_of(info), 0.0), most),
    )


def _least(ours: int, limits: StrictModeConfigOutput | None, name: str) -> int:
    theirs = getattr(limits, name, None)
    return min(ours, max(1, theirs)) if theirs else ours


def quantization_of(info: CollectionInfo) -> str:
    """Return 'scalar', 'binary', 'none', or another kind's name that somebody set on the server."""
    config = info.config.quantization_config
    if config is None:
        return "none"
    return next((kind for kind in ("scalar", "binary") if getattr(config, kind, None) is not None), "other")


def create(client: QdrantClient, name: str, info: EmbedderInfo, settings: VectorSettings | None) -> None:
    """Create the collection. settings: None in the local mode, which has neither them nor indexes."""
    from qdrant_client import models

    # BGE-M3 learned its weights; lexical ones are term frequencies and need the collection's document frequencies.
    modifier = models.Modifier.IDF if info.sparse == "lexical" else None
    on_disk = settings.on_disk if settings is not None else None
    client.create_collection(
        name,
        vectors_config={DENSE: models.VectorParams(size=info.dimension, distance=models.Distance.COSINE, on_disk=on_disk or None)},
        sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=modifier)},
        metadata=metadata_of(info),
        **(_creation(settings) if settings is not None else {}),
    )
    if settings is not None:
        create_indexes(client, name, {})


def _creation(settings: VectorSettings) -> dict[str, Any]:
    wanted = {
        "quantization_config": _quantization(settings.quantization) if settings.quantization != "none" else None,
        "hnsw_config": _hnsw(settings),
        "shard_number": settings.shards,
        "replication_factor": settings.replicas,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def create_indexes(client: QdrantClient, name: str, present: dict[str, Any]) -> None:
    """Create those of our payload indexes that are missing: a process may have died between collection and index."""
    from qdrant_client import models

    kinds = {"document": models.PayloadSchemaType.KEYWORD, "live": models.PayloadSchemaType.BOOL}
    for field, kind in kinds.items():
        if field not in present:
            client.create_payload_index(name, field, kind, wait=True)


def update(client: QdrantClient, name: str, info: CollectionInfo, settings: VectorSettings) -> None:
    """Make the server keep the collection as the settings say, where it does not. Shards and replicas stay as they were created."""
    from qdrant_client import models

    changes: dict[str, Any] = {}
    vectors = info.config.params.vectors
    dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
    if bool(dense and dense.on_disk) != settings.on_disk:
        changes["vectors_config"] = {DENSE: models.VectorParamsDiff(on_disk=settings.on_disk)}
    if quantization_of(info) not in (settings.quantization, "other"):
        changes["quantization_config"] = _quantization(settings.quantization)
    hnsw = info.config.hnsw_config
    wanted = {"m": settings.hnsw_m, "ef_construct": settings.hnsw_ef_construct}
    if any(value not in (None, getattr(hnsw, field)) for field, value in wanted.items()):
        changes["hnsw_config"] = _hnsw(settings)
    if changes:
        client.update_collection(name, **changes)


def _quantization(kind: str) -> Any:
    """Quantised vectors stay in memory: that is what they are for, whole ones are read for the few that are scored anew."""
    from qdrant_client import models

    if kind == "scalar":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return models.Disabled.DISABLED


def _hnsw(settings: VectorSettings) -> Any:
    from qdrant_client import models

    if settings.hnsw_m is None and settings.hnsw_ef_construct is None:
        return None
    return models.HnswConfigDiff(m=settings.hnsw_m, ef_construct=settings.hnsw_ef_construct)


def metadata_of(info: EmbedderInfo) -> dict[str, Any]:
    """Return what the collection records of the embedder that fills it."""
    return {"embedder": info.name, "dimension": info.dimension, "sparse": info.sparse, "fingerprint": info.fingerprint}

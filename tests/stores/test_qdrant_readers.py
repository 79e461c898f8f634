"""LangChain's and LlamaIndex' Qdrant vector stores read a collection as their users write them: no filter, no knowledge of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from langchain_core.embeddings import Embeddings
from qdrant_client import QdrantClient

from aegis_assets.model.embedding import PointText, VectorPoint
from aegis_assets.stores.vectors import QdrantVectors, named
from tests.stores.conftest import opened_vectors
from tests.stores.points import DOCUMENT, INFO, ONE, chunk, embedding, payload

if TYPE_CHECKING:  # seconds for every process that collects the tests
    from langchain_qdrant import QdrantVectorStore as LangChainStore
    from llama_index.core.vector_stores.types import VectorStoreQueryResult

NAME = named(ONE)
LINK = f"https://aegis.example/admin/documents/document/{DOCUMENT}/chunk/{chunk(1)}"


class Queries(Embeddings):
    """Embeds a number as the store's tests do."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0, 0.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return list(embedding(int(text)).dense)


def carrying(number: int, *, live: bool = True) -> VectorPoint:
    text = PointText(name="a.pdf", text=f"Text {number}", headings=("Title", "Part"), pages=(3, 4))
    return VectorPoint(id=chunk(number), document=DOCUMENT, embedding=embedding(number, (number,)), live=live, text=text)


@pytest.fixture(params=["local mode", "double", "server"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantClient]:
    """A client of the user's own on a collection that was revised: its document had the chunks 0 to 9, then 0 to 4 and 20 to 24.

    What is stored in between, as ingestion does it, is that of `pipeline/points.py`: only live chunks have points.
    """
    with opened_vectors(request, tmp_path, carries_text=True, admin_address="https://aegis.example") as store:
        store.ensure(ONE, INFO)
        store.upsert(ONE, [carrying(n) for n in range(10)])
        store.upsert(ONE, [carrying(n) for n in range(20, 25)])
        store.delete(ONE, [chunk(n) for n in range(5, 10)])
        client = _client(store, tmp_path)
        yield client
        client.close()


def _client(store: QdrantVectors, tmp_path: Path) -> QdrantClient:
    """On the local path another client has to wait until the store has closed it, as a user's would."""
    url = getattr(store._qdrant, "_url", "")
    if url:
        return QdrantClient(url=url, api_key=getattr(store._qdrant, "_key", "") or None, check_compatibility=False)
    store.close()
    return QdrantClient(path=str(tmp_path / "vectors" / NAME))


def _langchain(reader: QdrantClient) -> LangChainStore:
    from langchain_qdrant import QdrantVectorStore

    return QdrantVectorStore(reader, NAME, Queries(), vector_name="dense", content_payload_key="text")


def test_langchain_reads_text_name_headings_pages_and_link(reader: QdrantClient) -> None:
    (found,) = _langchain(reader).similarity_search("1", k=1)
    assert found.page_content == "Text 1"
    wanted = {"document": str(DOCUMENT), "name": "a.pdf", "headings": ["Title", "Part"], "pages": [3, 4], "link": LINK}
    assert found.metadata.items() >= wanted.items()


def test_langchain_finds_no_chunk_that_is_not_live(reader: QdrantClient) -> None:
    retriever = _langchain(reader).as_retriever(search_kwargs={"k": 100})
    assert {found.page_content for found in retriever.invoke("1")} == {f"Text {n}" for n in (*range(5), *range(20, 25))}


def test_langchain_searches_words_and_meaning_together(reader: QdrantClient) -> None:
    from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector

    class Words(SparseEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[SparseVector]:
            return [SparseVector(indices=[1], values=[1.0]) for _ in texts]

        def embed_query(self, text: str) -> SparseVector:
            return SparseVector(indices=[int(text)], values=[1.0])

    store = QdrantVectorStore(
        reader, NAME, Queries(), RetrievalMode.HYBRID, "dense", "text", sparse_embedding=Words(), sparse_vector_name="sparse"
    )
    assert store.similarity_search("22", k=3)[0].page_content == "Text 22"


def _asked_by_llama_index(reader: QdrantClient, most: int) -> VectorStoreQueryResult:
    from llama_index.core.vector_stores.types import VectorStoreQuery
    from llama_index.vector_stores.qdrant import QdrantVectorStore

    store = QdrantVectorStore(NAME, reader, dense_vector_name="dense", sparse_vector_name="sparse")
    return store.query(VectorStoreQuery(query_embedding=list(embedding(1).dense), similarity_top_k=most))


def test_llamaindex_reads_text_name_headings_pages_and_link(reader: QdrantClient) -> None:
    result = _asked_by_llama_index(reader, 1)
    assert result.nodes is not None
    (node,) = result.nodes
    assert (node.get_content(), UUID(node.node_id)) == ("Text 1", chunk(1))
    wanted = {"document": str(DOCUMENT), "name": "a.pdf", "headings": ["Title", "Part"], "pages": [3, 4], "link": LINK}
    assert node.metadata.items() >= wanted.items()


def test_llamaindex_finds_no_chunk_that_is_not_live(reader: QdrantClient) -> None:
    result = _asked_by_llama_index(reader, 100)
    assert result.nodes is not None
    assert {node.get_content() for node in result.nodes} == {f"Text {n}" for n in (*range(5), *range(20, 25))}


@pytest.mark.parametrize("vectors", ["local mode", "double"], indirect=True)
def test_points_carry_no_text_unless_asked_for(vectors: QdrantVectors) -> None:
    vectors.upsert(ONE, [carrying(1).model_copy(update={"text": None})])
    assert vectors.set_live(ONE, [payload(1)]) == set()
    ids, _ = vectors._qdrant.run(NAME, lambda client: client.scroll(NAME), ([], None))
    assert [row.payload for row in ids] == [{"document": str(DOCUMENT), "live": True}]

"""docling's own PDF pipeline with its layout and table models, for one window: imported only where the extra [gpu] is installed."""

from __future__ import annotations

from functools import lru_cache

from docling.datamodel.pipeline_options import HeadingHierarchyOptions, RapidOcrOptions, ThreadedPdfPipelineOptions
from docling.pipeline.standard_pdf_pipeline import StandardPdfPipeline

from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.reading import WindowReading


class StockPipeline(StandardPdfPipeline):
    def __init__(self) -> None:
        super().__init__(
            ThreadedPdfPipelineOptions(
                ocr_options=RapidOcrOptions(), heading_hierarchy_options=HeadingHierarchyOptions(enabled=False), queue_max_size=4
            )
        )

    def read(self, facts: Facts, first: int, last: int) -> None:
        """The next document is this window. Of all that the pipeline keeps, only this part depends on one."""
        bodies = dict.fromkeys(range(first, last + 1), facts.body_size) if facts.body_size else {}
        self.reading_order_model = WindowReading(first, last, facts, bodies, ordered=False)


def pipeline(facts: Facts, first: int, last: int) -> StockPipeline:
    """For this window, until the next is asked for. The models are loaded once per process."""
    one = _loaded()
    one.read(facts, first, last)
    return one


@lru_cache(maxsize=1)
def _loaded() -> StockPipeline:
    return StockPipeline()

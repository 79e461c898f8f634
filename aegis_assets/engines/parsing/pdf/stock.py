"""docling's own PDF pipeline with its layout and table models, for one window: imported only where the extra [gpu] is installed."""

from __future__ import annotations

from docling.datamodel.pipeline_options import HeadingHierarchyOptions, RapidOcrOptions, ThreadedPdfPipelineOptions
from docling.pipeline.standard_pdf_pipeline import StandardPdfPipeline

from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.reading import WindowReading


class StockPipeline(StandardPdfPipeline):
    def __init__(self, facts: Facts, first: int, last: int) -> None:
        self._facts, self._window = facts, (first, last)
        super().__init__(
            ThreadedPdfPipelineOptions(
                ocr_options=RapidOcrOptions(), heading_hierarchy_options=HeadingHierarchyOptions(enabled=False), queue_max_size=4
            )
        )

    def _init_models(self) -> None:
        super()._init_models()
        body = self._facts.body_size
        bodies = dict.fromkeys(range(self._window[0], self._window[1] + 1), body) if body else {}
        self.reading_order_model = WindowReading(*self._window, self._facts, bodies, ordered=False)

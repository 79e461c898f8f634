"""Uploads that know their limit while they are read.

A file that is too large is never kept whole on disk. Its name stays with the request, so that the page can say what became of it.
"""

from __future__ import annotations

from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler

from aegis_assets.settings import settings


class LimitedUploadHandler(TemporaryFileUploadHandler):
    """Files larger than the limit end up in `request.too_large`, by name, instead of in `request.FILES`."""

    def new_file(self, *args: object, **kwargs: object) -> None:
        super().new_file(*args, **kwargs)
        self._seen = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._seen += len(raw_data)
        if self._seen > settings().max_file_bytes:
            refused: list[str] = getattr(self.request, "too_large", [])
            self.request.too_large = [*refused, self.file_name]
            raise SkipFile
        super().receive_data_chunk(raw_data, start)

"""A file into a docling document by a docling-serve server: its asynchronous HTTP interface v1."""

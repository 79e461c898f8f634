"""What docling's backends of single formats leave out or alter, put right: one module per format."""

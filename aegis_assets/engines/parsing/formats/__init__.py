"""Put right what docling's backends of single formats leave out or alter: one module per format."""

"""A question -> chunks: what search does with the candidates of the vector store and the graph in the ledger. Pure."""

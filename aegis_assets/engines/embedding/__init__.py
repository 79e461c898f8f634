"""The port Embedder by URL: OpenAI-compatible servers and text-embeddings-inference, spoken to by the engine server."""

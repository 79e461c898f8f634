"""Scores of the installed platform on question and annotation sets, by its public API alone: retrieval, entities, extraction."""

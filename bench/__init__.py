"""Reproducible measurements of the whole platform: one module per benchmark, each `make bench-NAME`.

A benchmark starts a stack of its own in a temporary home on free ports, and stops it whatever happens.
"""

"""The flow: one module per op. Each asks the ledger what is missing, lets an engine work, and marks it the moment it is done.

A failure of one window or chunk is recorded and the rest goes on; only what stops the whole document is raised.
"""

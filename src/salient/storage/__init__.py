"""Storage: five deep front classes, each over small drivers that are opened by URL.

`kv` keeps small values that may expire, `blob` bytes of any size, `sql` tables, `docs` JSON
records, `search` full text with vectors. Code above this layer knows only the fronts.
"""

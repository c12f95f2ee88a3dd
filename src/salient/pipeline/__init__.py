"""How documents become knowledge: stages with content-and-version keys, a ledger, executors.

The chain of one document is convert → annotate → read → passages. Each stage's output is an
artifact in the blob store under a key of what went in and which component made it, so no work is
done twice. What workers make is pure; one coordinator commits it to tables and index.
"""

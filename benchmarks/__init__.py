"""Speed, each figure a ratio of two things run in turn on one machine. One file a row; `ROWS` is their order.

A row's file has ``TITLE``, ``AGAINST`` and ``measure(setting)``, and says in its docstring how it is measured.
"""

ROWS = (
    "train_limit",
    "train_authors",
    "train_cached",
    "methods",
    "embed_limit",
    "embed_authors",
    "dense",
    "prepare",
    "query",
    "start",
    "scale",
)

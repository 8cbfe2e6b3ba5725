"""Speed, each figure a ratio of two things run in turn on one machine. One file a row; `ROWS` is their order.

A row's file has ``TITLE``, ``AGAINST`` and ``measure(setting)``, and says in its docstring how it is measured. What a
ratio cannot say (a server under load, a list of 500 volumes) is a plain figure.
"""

ROWS = (
    "train_limit",
    "train_authors",
    "train_cached",
    "train_options",
    "train_memory",
    "methods",
    "embed_limit",
    "embed_authors",
    "dense",
    "prepare",
    "query",
    "first_minute",
    "start",
    "scale",
    "scale_out",
    "load",
    "faults",
    "long_list",
    "big_volume",
    "soak",
)
LONG = ("soak",)  # hours: only where it is asked for by name

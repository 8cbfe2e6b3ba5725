"""Environment of a process that trains on a CPU: what a step frees it keeps, in huge pages, for the next step.

torch takes gigabytes from the system and gives them back at every step; the system clears each page anew. These are
glibc's own settings (https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html), read when a
process starts; other systems ignore them. What they are worth is measured by the benchmarks' row ``train_memory``.
"""

ALLOCATOR_SETTINGS = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**28),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}

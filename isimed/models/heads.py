"""Names and sizes of the network's heads. Read without anything else: the table of methods is listed at once."""

DISTANCE_HEAD, PROTOTYPES_HEAD = "distance", "prototypes"
CODE_SIZE = 512
DENSE_CODE_SIZE = 16

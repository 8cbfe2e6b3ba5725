"""Values that JSON can hold: it knows no NaN and no infinity, and scripts that read it fail at them."""

import math
from typing import Any


def without_nan(value: Any) -> Any:
    """The same value with null in the place of numbers that JSON does not know, however deep they lie.

    >>> without_nan({"best": [1.5, float("nan")], "left": (float("inf"),)})
    {'best': [1.5, None], 'left': [None]}
    """
    if isinstance(value, dict):
        return {key: without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

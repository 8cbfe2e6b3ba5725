"""Two ways to measure with one set of functions: `strict`, ours, and `paper`, the authors'."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from isimed.core.errors import InputError

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Protocol:
    """How folds are made and how options are chosen.

    Attributes:
        grouped: crops of one patient never stand in training and test.
        choose_on_test: an option (penalty) is chosen by its score on the evaluated fold.
        frozen: batch-norm statistics are the checkpoint's; otherwise those of the batch at hand.
        note: what a reader must know.
    """

    name: str
    grouped: bool
    choose_on_test: bool
    frozen: bool
    note: str


STRICT = Protocol(
    "strict",
    grouped=True,
    choose_on_test=False,
    frozen=True,
    note="Folds grouped by patient, options chosen inside the training folds, backbone frozen in eval mode.",
)
PAPER = Protocol(
    "paper",
    grouped=False,
    choose_on_test=True,
    frozen=False,
    note=(
        "The authors' choices: crops of one patient may stand in training and test, the option that is best on the "
        "evaluated fold is kept (theirs is the epoch, here the penalty), and batch-norm uses the batch's statistics. "
        "The first two make figures too good; for comparison with the paper only."
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in (STRICT, PAPER)}


def find_protocol(name: str) -> Protocol:
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise InputError(f"There is no protocol {name}: choose one of {', '.join(PROTOCOLS)}.") from None


def folds(
    groups: ArrayLike, protocol: Protocol, *, labels: ArrayLike | None = None, count: int = 5, seed: int = 0
) -> list[Fold]:
    """Cross-validation folds of crops.

    Args:
        groups: (N,) the patient of each crop (or a block of patients that must stay together).
        labels: (N,) classes to keep in proportion, if any.
        count: number of folds; fewer where there are fewer patients.

    Returns:
        (train rows, test rows) a fold.

    Raises:
        InputError: there are fewer than two patients.
    """
    groups = np.asarray(groups)
    patients = len(np.unique(groups))
    if patients < 2:
        raise InputError("One patient cannot be cross-validated: evaluate at least two patients.")
    count = min(count, patients)
    rows = np.arange(len(groups))
    if protocol.grouped and labels is not None:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    elif protocol.grouped:
        splitter = GroupKFold(count, shuffle=True, random_state=seed)
    elif labels is not None:
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    else:
        splitter = KFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(rows, labels, groups if protocol.grouped else None))


def choosing_folds(train: NDArray, test: NDArray, groups: ArrayLike, protocol: Protocol) -> list[Fold]:
    """The folds on which an option is chosen for one outer fold: inside its training rows, or the test rows."""
    if protocol.choose_on_test:
        return [(train, test)]
    inner = np.asarray(groups)[train]
    if len(np.unique(inner)) < 2:
        return [(train, train)]
    return [(train[a], train[b]) for a, b in folds(inner, protocol, count=3)]

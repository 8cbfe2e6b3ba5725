"""The table of methods: all that a method is stands in one row, and nothing else asks for a method's name.

A method of one's own is a loss under `method`, in any module that Python finds; ``--method package.module:NAME``
trains with it. Read without torch, which the losses import: forms and ``--help`` list the table at once.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isimed import losses
from isimed.core.errors import InputError
from isimed.models.heads import CODE_SIZE, DENSE_CODE_SIZE, DISTANCE_HEAD, PROTOTYPES_HEAD
from isimed.training.optimise.config import TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

    from isimed.data.prepared.preprocess import Prepared
    from isimed.models.encoder import Encoder
    from isimed.training.optimise.batches import Batches, Steps

BARLOW_TWINS_HEAD, PROJECTION_HEAD = "barlow_twins", "projection"


@dataclass(frozen=True)
class Outputs:
    """What the networks said about the global batch of a step.

    Attributes:
        views: for each view, name of a head -> (N, D); row i of every view is crop i.
        centres_mm: (N, 3) scanner mm; of windows (N, P, 3), and heads then say (N, P, D).
        positions_mm: (N, 3) mm from the centre of the body's box.
        groups: (N,) which volume each crop comes from.
        teacher: for each full-size view the teacher's (N, K) logits.
        centre: (K,) running mean of the teacher's logits.
        shown: (N, V, P) 1 where a view shows a place of a window, else 0.
    """

    views: Sequence[Mapping[str, "Tensor"]]
    centres_mm: "Tensor"
    positions_mm: "Tensor"
    groups: "Tensor"
    teacher: Sequence["Tensor"] = ()
    centre: "Tensor | None" = None
    shown: "Tensor | None" = None

    def of(self, head: str) -> list["Tensor"]:
        """(N, D) of each view."""
        return [view[head] for view in self.views]


Terms = dict[str, "Tensor"]
Loss = Callable[[Outputs, TrainConfig], "Terms | Tensor"]


def crop_encoder(row: "Method", config: TrainConfig, volumes: Sequence["Prepared"]) -> "Encoder":
    """The paper's network: one crop in, one row of each head out."""
    from isimed.models.encoder import Encoder

    return Encoder(row.heads, mm_per_unit=config.mm_per_unit)


def crop_batches(
    row: "Method", config: TrainConfig, volumes: Sequence["Prepared"], device: Any, *, rank: int, world: int
) -> "Batches":
    """Crops around random places of the body, as many from each volume of a step."""
    from isimed.training.optimise.batches import Batches
    from isimed.training.optimise.crop_source import crop_source

    views, local_views = row.full_views(config), row.local_views(config)
    source = crop_source(volumes, device)
    counts = {"views": views, "whole_views": row.whole_views, "local_views": local_views}
    return Batches(config, volumes, source, rank=rank, world=world, **counts)


def dense_encoder(row: "Method", config: TrainConfig, volumes: Sequence["Prepared"]) -> "Encoder":
    """A residual U-Net: all places of a window in one pass. CT's soft tissue and lung get channels of their own."""
    from isimed.models.dense import CT_WINDOWS_HU, DenseBackbone, in_prepared_values
    from isimed.models.encoder import Encoder

    windows_hu = CT_WINDOWS_HU if all(volume.calibrated for volume in volumes) else ()
    windows = in_prepared_values(windows_hu, (config.window_low_hu, config.window_high_hu))
    return Encoder(row.heads, mm_per_unit=config.mm_per_unit, backbone=DenseBackbone(windows))


def window_batches(
    row: "Method", config: TrainConfig, volumes: Sequence["Prepared"], device: Any, *, rank: int, world: int
) -> "Steps":
    """Two windows of each volume of a step, and places of the body."""
    from isimed.training.optimise.windows.window_batches import WindowBatches

    return WindowBatches(config, volumes, device, rank=rank, world=world)


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        heads: name -> size of each linear head on the embedding; ``distance`` makes the code, in mm.
        loss: makes of a step's outputs named terms, of which ``loss`` is minimised; or that one alone.
        description: one sentence for the form and ``--help``.
        views: full-size views of each crop.
        whole_views: the first of them, which coarse dropout and shuffle leave whole.
        options: those of the config's options that count for this method and not for every one.
        teacher: the head that a momentum teacher answers with.
        network: makes the network that is trained on these volumes.
        batches: makes what draws each step's batch.
        crops: whether it is made of crops, and the options of crops count for it.
    """

    heads: Mapping[str, int]
    loss: Loss
    description: str
    views: int = 1
    whole_views: int = 0
    options: Collection[str] = ()
    teacher: str | None = None
    network: Callable[["Method", TrainConfig, Sequence["Prepared"]], "Encoder"] = crop_encoder
    batches: Callable[..., "Steps"] = crop_batches
    crops: bool = True

    def __post_init__(self) -> None:
        if not self.heads or any(not isinstance(size, int) or size < 1 for size in self.heads.values()):
            raise InputError(f"heads have to map names to sizes of at least 1, got {dict(self.heads)}.")
        if self.views < 1 or (self.teacher and self.teacher not in self.heads):
            raise InputError(f"views are 1 or more and the teacher is a head, got {self.views}, {self.teacher}.")
        if not 0 <= self.whole_views <= self.views:
            raise InputError(f"whole_views are 0 to {self.views}, of the views, got {self.whole_views}.")
        if unknown := sorted(set(self.options) - set(TrainConfig.model_fields)):
            raise InputError(f"{unknown[0]} is not an option of training: see `python -m isimed train --help`.")

    def full_views(self, config: TrainConfig) -> int:
        """Full-size views of each crop that a step looks at."""
        return max(2, self.views) if "invariance_weight" in self.options and config.invariance_weight else self.views

    def local_views(self, config: TrainConfig) -> int:
        """Views of half a crop's edge beside them."""
        return config.local_views if "local_views" in self.options else 0

    def uses(self, option: str) -> bool:
        """Whether an option of the config counts for this method."""
        if option in CROP_OPTIONS:
            return self.crops
        return option in self.options or not any(option in row.options for row in METHODS.values())

    def samples(self, config: TrainConfig) -> int:
        """How many crops, or windows, of each volume a step shows."""
        return config.crops_per_volume if self.crops else self.views

    def terms(self, outputs: Outputs, config: TrainConfig) -> Terms:
        """The loss's named terms.

        Raises:
            InputError: the loss gives something else; for methods of one's own.
        """
        found = self.loss(outputs, config)
        terms = found if isinstance(found, dict) else {"loss": found}
        if "loss" not in terms or any(getattr(term, "shape", None) != () for term in terms.values()):
            raise InputError(
                f"The loss of {config.method} has to give a scalar tensor, or scalars by name with `loss` among them."
            )
        return terms


def method(
    *,
    heads: Mapping[str, int],
    views: int = 1,
    whole_views: int = 0,
    options: Collection[str] = (),
    teacher: str | None = None,
    description: str = "",
) -> Callable[[Loss], Method]:
    """Make a method of a loss: a decorator for methods of one's own.

    Args:
        heads: name -> size of each linear head on the 1024 numbers of an embedding. A head called ``distance`` makes
            the code, whose L2 distances search and maps take for mm.
        views: full-size views of each crop; from two on they are made with coarse dropout and shuffle.
        whole_views: the first of them, which coarse dropout and shuffle leave whole.
        options: names of options of `TrainConfig` that the loss reads and that the form shall show.
        teacher: the head that a momentum teacher answers with, where there is to be one.
        description: for the form; by default the first line of the loss's docstring.

    Returns:
        A decorator; ``--method package.module:NAME`` trains with what it returns.

    Raises:
        InputError: a head has no size, or an option is none.

    >>> from isimed.losses import distance_loss, pairs_within
    >>> @method(heads={"distance": 64}, options=["penalty"])
    ... def small_code(outputs, config):
    ...     '''The distance loss on a code of 64 numbers.'''
    ...     (codes,) = outputs.of("distance")
    ...     return distance_loss(codes, outputs.centres_mm, pairs_within(outputs.groups), penalty=config.penalty)
    >>> small_code.description, small_code.views
    ('The distance loss on a code of 64 numbers.', 1)
    """

    def decorate(loss: Loss) -> Method:
        said = description or (loss.__doc__ or "").strip().partition("\n")[0] or "A method of your own."
        return Method(
            heads=heads,
            loss=loss,
            description=said,
            views=views,
            whole_views=whole_views,
            options=tuple(options),
            teacher=teacher,
        )

    return decorate


def find_method(name: str) -> Method:
    """A row of the table, or a method of one's own.

    Args:
        name: of the table, or ``package.module:NAME``; modules are looked for in the working directory too.

    Raises:
        InputError: there is none of that name, or its module cannot be imported.
    """
    if name in METHODS:
        return METHODS[name]
    module, _, attribute = name.partition(":")
    if not attribute or not all(part.isidentifier() for part in module.split(".")):
        raise InputError(
            f"There is no method {name}: choose --method {', '.join(METHODS)}, or package.module:NAME of your own."
        )
    if (here := str(Path.cwd())) not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # whatever somebody's module does
        raise InputError(
            f"--method {name} cannot be imported ({type(error).__name__}: {error}): correct it, and start where "
            f"{module} lies, or put that folder on PYTHONPATH."
        ) from error
    if not isinstance(found, Method):
        raise InputError(
            f"--method {name} is not a method: put @isimed.method(heads=...) above the function of its loss."
        )
    return found


def _distance_terms(codes: Sequence["Tensor"], outputs: Outputs, config: TrainConfig) -> Terms:
    """Mean of the views' distance losses, and how far the views of a crop are apart where that counts."""
    pairs = (losses.pairs_across if config.pairs == "across" else losses.pairs_within)(outputs.groups)
    each = [losses.distance_loss(code, outputs.centres_mm, pairs, penalty=config.penalty) for code in codes]
    terms = {"distance": sum(each[1:], start=each[0]) / len(each)}
    terms["loss"] = terms["distance"]
    if config.invariance_weight:
        terms["invariance"] = losses.invariance_loss(*outputs.of(DISTANCE_HEAD)[:2])
        terms["loss"] = terms["loss"] + config.invariance_weight * terms["invariance"]
    return terms


def _isimed(outputs: Outputs, config: TrainConfig) -> Terms:
    return _distance_terms(outputs.of(DISTANCE_HEAD), outputs, config)


def _isimed_bt(outputs: Outputs, config: TrainConfig) -> Terms:
    terms = _distance_terms(outputs.of(DISTANCE_HEAD), outputs, config)
    return _with_barlow_twins(terms, outputs.of(BARLOW_TWINS_HEAD), config)


def _isimed_bt_whole(outputs: Outputs, config: TrainConfig) -> Terms:
    whole, _ = outputs.of(DISTANCE_HEAD)
    return _with_barlow_twins(_distance_terms([whole], outputs, config), outputs.of(BARLOW_TWINS_HEAD), config)


def _isimed_bt_shared(outputs: Outputs, config: TrainConfig) -> Terms:
    first, second = outputs.of(DISTANCE_HEAD)
    terms = _distance_terms([(first + second) / 2], outputs, config)
    return _with_barlow_twins(terms, [first, second], config)


def _with_barlow_twins(terms: Terms, views: Sequence["Tensor"], config: TrainConfig) -> Terms:
    terms["barlow_twins"] = losses.barlow_twins_loss(*views, off_diagonal=config.off_diagonal)
    return terms | {"loss": terms["loss"] + config.barlow_twins_weight * terms["barlow_twins"]}


def _barlow_twins(outputs: Outputs, config: TrainConfig) -> "Tensor":
    return losses.barlow_twins_loss(*outputs.of(BARLOW_TWINS_HEAD), off_diagonal=config.off_diagonal)


def _simclr(outputs: Outputs, config: TrainConfig) -> "Tensor":
    return losses.ntxent_loss(*outputs.of(PROJECTION_HEAD), temperature=config.temperature)


def _vicreg(outputs: Outputs, config: TrainConfig) -> Terms:
    terms = losses.vicreg_terms(*outputs.of(PROJECTION_HEAD))
    return terms | {"loss": losses.vicreg_loss(terms)}


def _dino(outputs: Outputs, config: TrainConfig) -> "Tensor":
    logits = outputs.of(PROTOTYPES_HEAD)
    centre = logits[0].new_zeros(logits[0].shape[1]) if outputs.centre is None else outputs.centre
    return losses.dino_loss(logits, outputs.teacher, centre)


def _isimed_dense(outputs: Outputs, config: TrainConfig) -> Terms:
    first, second = outputs.of(DISTANCE_HEAD)
    assert outputs.shown is not None
    here, there = outputs.shown.unbind(1)
    terms = {
        "distance": losses.across_windows_loss(first, second, outputs.centres_mm, (here, there)),
        "same_place": losses.same_place_loss(first, second, (here, there)),
    }
    return terms | {"loss": terms["distance"] + config.same_place_weight * terms["same_place"]}


def _regression(outputs: Outputs, config: TrainConfig) -> "Tensor":
    (codes,) = outputs.of(DISTANCE_HEAD)
    return losses.regression_loss(codes, outputs.positions_mm, penalty=config.penalty)


DISTANCE = ("penalty", "pairs", "invariance_weight", "mm_per_unit")
TWO_VIEWS = ("coarse_dropout", "coarse_shuffle")
CROP_OPTIONS = ("crops_per_volume", "noise", "intensity", "spacing_change", "blur", "flips")

METHODS: dict[str, Method] = {
    "isimed": Method(
        heads={DISTANCE_HEAD: CODE_SIZE},
        loss=_isimed,
        options=DISTANCE,
        description="The paper's: the distance between two crops' codes becomes their distance in the body, in mm.",
    ),
    "isimed-bt": Method(
        heads={DISTANCE_HEAD: CODE_SIZE, BARLOW_TWINS_HEAD: 2048},
        loss=_isimed_bt,
        views=2,
        options=(*DISTANCE, *TWO_VIEWS, "barlow_twins_weight", "off_diagonal"),
        description="The same as isimed, and Barlow Twins on a second head, which keeps more dimensions alive.",
    ),
    "isimed-bt-whole": Method(
        heads={DISTANCE_HEAD: CODE_SIZE, BARLOW_TWINS_HEAD: 2048},
        loss=_isimed_bt_whole,
        views=2,
        whole_views=1,
        options=(*DISTANCE, *TWO_VIEWS, "barlow_twins_weight", "off_diagonal"),
        description="As isimed-bt, but distances are learned from whole crops: only the other view has parts hidden.",
    ),
    "isimed-bt-shared": Method(
        heads={DISTANCE_HEAD: CODE_SIZE},
        loss=_isimed_bt_shared,
        views=2,
        options=(*DISTANCE, *TWO_VIEWS, "barlow_twins_weight", "off_diagonal"),
        description="The distance loss of isimed and Barlow Twins, both on one code.",
    ),
    "barlow-twins": Method(
        heads={BARLOW_TWINS_HEAD: 2048},
        loss=_barlow_twins,
        views=2,
        options=(*TWO_VIEWS, "off_diagonal"),
        description="Two views of a crop agree feature by feature, features do not repeat each other.",
    ),
    "simclr": Method(
        heads={PROJECTION_HEAD: 512},
        loss=_simclr,
        views=2,
        options=(*TWO_VIEWS, "temperature"),
        description="A view finds the other view of its crop among all crops of the batch.",
    ),
    "vicreg": Method(
        heads={PROJECTION_HEAD: 2048},
        loss=_vicreg,
        views=2,
        options=TWO_VIEWS,
        description="Two views agree, each feature keeps its spread, features are uncorrelated.",
    ),
    "dino": Method(
        heads={PROTOTYPES_HEAD: 2048},
        loss=_dino,
        views=2,
        options=(*TWO_VIEWS, "local_views", "teacher_momentum"),
        description="A student predicts what its own slow average (the teacher) makes of another view.",
        teacher=PROTOTYPES_HEAD,
    ),
    "regression": Method(
        heads={DISTANCE_HEAD: 3},
        loss=_regression,
        options=("penalty", "mm_per_unit"),
        description="The code is the crop's position in mm from the body's centre, three numbers.",
    ),
    "isimed-dense": Method(
        heads={DISTANCE_HEAD: DENSE_CODE_SIZE},
        loss=_isimed_dense,
        views=2,
        options=("largest_window", "same_place_weight", "mm_per_unit"),
        description="The distances of isimed for all places of a volume in one pass, learned from pairs of windows.",
        network=dense_encoder,
        batches=window_batches,
        crops=False,
    ),
}

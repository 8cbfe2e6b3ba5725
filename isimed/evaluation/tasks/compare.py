"""Task `compare`: how alike are the spaces of two checkpoints on the same crops?"""

from numpy.typing import NDArray

from isimed.evaluation.context.context import Context
from isimed.evaluation.context.embedding_cache import Features
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.statistics.bootstrap import Figure, jackknife
from isimed.evaluation.tasks.task import BODY, Task
from isimed.explore.maps.compare_spaces import linear_cka, neighbour_overlap, procrustes
from isimed.explore.tables.components import leading_scores
from isimed.models.checkpoint import Checkpoint

NEIGHBOURS = 10


def compare(context: Context, ours: Checkpoint, theirs: Checkpoint) -> Outcome:
    """Likeness of the embeddings and codes of the sample ``body``."""
    a, b = (context.features(checkpoint, "body") for checkpoint in (ours, theirs))
    return Outcome({"compare": likeness(a, b, context.crops_for("body", ours).subject)})


def likeness(a: Features, b: Features, subject: NDArray) -> dict[str, Figure]:
    """How alike two (embedding, code) pairs of the same crops are; intervals by jackknife over patients.

    ``cka``, ``code_cka``; ``neighbour_overlap`` of the codes; ``procrustes`` disparity of their three leading
    components.
    """
    scores = [leading_scores(code, 3)[0] for _, code in (a, b)]

    def statistic(rows: NDArray) -> dict[str, float]:
        return {
            "cka": linear_cka(a[0][rows], b[0][rows]),
            "code_cka": linear_cka(a[1][rows], b[1][rows]),
            "neighbour_overlap": neighbour_overlap(a[1][rows], b[1][rows], neighbours=NEIGHBOURS),
            "procrustes": procrustes(scores[0][rows], scores[1][rows]).disparity,
        }

    return jackknife(subject, statistic, blocks=5)


TASK = Task(
    "compare",
    "How alike are the spaces of two checkpoints?",
    measure_pair=compare,
    samples=(BODY,),
    version=4,
    figures={
        "cka": "CKA of embeddings",
        "code_cka": "CKA of codes",
        "neighbour_overlap": "shared 10 nearest neighbours",
        "procrustes": "Procrustes disparity",
    },
)

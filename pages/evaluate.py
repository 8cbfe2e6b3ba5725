"""How good is a checkpoint? Figures on patients it has never seen, beside what needs no training at all."""

from functools import partial

import streamlit as st

from isimed.evaluation.results.result import Result
from isimed.evaluation.run.evaluate import evaluate
from isimed.evaluation.run.plan import crops_needed
from isimed.evaluation.run.registry import TASKS
from isimed.evaluation.sampling.sample import CROPS_A_VOLUME
from isimed.evaluation.statistics.protocol import PROTOCOLS
from isimed.ui import state, style
from isimed.ui.evaluate import evaluation_job
from isimed.ui.evaluate.evaluation_view import show_result

KIND, FIELD = "evaluate", 160  # pixels of a field

cohort = state.choose_cohort()
st.title("Evaluate")
st.markdown(
    "Measures checkpoints on patients that none of them was trained or selected on, "
    "beside an untrained network and controls without any network."
)
job = evaluation_job.running(cohort, KIND)
result = evaluation_job.latest(cohort, KIND, Result)
with st.expander("What to measure", expanded=result is None and job is None):
    choices = state.checkpoint_choices(cohort)
    names = st.multiselect("Checkpoints", choices, default=choices[:1])
    tasks = st.multiselect(
        "Tasks",
        list(TASKS),
        default=["distance", "position", "collapse"],
        help="  \n".join(f"**{task.name}**: {task.question}" for task in TASKS.values()),
    )
    row = style.row("bottom")
    protocol = row.segmented_control(
        "Protocol",
        list(PROTOCOLS),
        default="strict",
        required=True,
        help="  \n".join(f"**{rules.name}**: {rules.note}" for rules in PROTOCOLS.values()),
    )
    most = max(2, len(cohort.subjects))
    limit = row.number_input("Patients, at most", 2, most, min(16, most), width=FIELD)
    crops = row.number_input(
        "Crops a volume",
        4,
        256,
        CROPS_A_VOLUME,
        width=FIELD,
        help="Crops of a volume in the samples `body` and `tumour`; other samples change in proportion.",
    )
    seed = row.number_input("Seed", 0, 10_000, 0, width=FIELD, help="Draws crops, folds and resampled patients.")
    options = {"tasks": tasks, "protocol": protocol, "limit": int(limit), "crops": int(crops), "seed": int(seed)}
    start = st.container(horizontal=True, vertical_alignment="center")
    pressed = start.button("Measure", type="primary", icon=":material/play_arrow:", disabled=not (names and tasks))
    if names and tasks:
        needed = crops_needed(cohort, tasks, patients=int(limit), networks=len(names), crops=int(crops))
        start.caption(
            f"At most about {needed:,} crops through {len(names) + 1} networks, the untrained one among them: "
            f"{evaluation_job.takes(cohort, names[0], needed)}. "
            "What was computed before is not computed again; you may leave this page meanwhile.",
            width="stretch",
        )
    if pressed:
        evaluation_job.start(cohort, KIND, partial(evaluate, cohort, names, **options))
        st.rerun()
if job is not None:
    evaluation_job.show(cohort, KIND)
if result is not None:
    show_result(result, cohort)
elif job is None:
    st.info("Nothing measured yet on this cohort: choose tasks above and press Measure.", icon=":material/monitoring:")

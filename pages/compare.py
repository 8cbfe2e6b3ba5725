"""Two or more checkpoints on the same crops: maps, likeness, differences."""

from functools import partial

import streamlit as st

from isimed.evaluation.results.result import Comparison, Result
from isimed.evaluation.run.compare import compare
from isimed.evaluation.run.plan import crops_needed
from isimed.evaluation.sampling.sample import CROPS_A_VOLUME
from isimed.ui import state
from isimed.ui.evaluate import evaluation_job
from isimed.ui.evaluate.compare_view import show_comparison

KIND = "compare"

cohort = state.choose_cohort()
st.title("Compare")
st.markdown("The same crops through two or more checkpoints: do their spaces agree, and what differs between them?")
choices = state.checkpoint_choices(cohort)
left, right, button = st.columns([5, 1, 1], vertical_alignment="bottom")
names = left.multiselect("Checkpoints", choices, default=[*choices[:1], choices[-1]] if len(choices) > 1 else choices)
most = max(2, len(cohort.subjects))
limit = right.number_input("Patients, at most", 2, most, min(8, most))
job = evaluation_job.running(cohort, KIND)
if len(names) > 1 and job is None:
    needed = crops_needed(cohort, ["compare"], patients=int(limit), networks=len(names) - 1, crops=CROPS_A_VOLUME)
    takes = evaluation_job.takes(cohort, names[0], needed)
    st.caption(
        f"At most about {needed:,} crops through {len(names)} networks: {takes}. "
        "What was computed before is not computed again; you may leave this page meanwhile."
    )
if button.button("Compare", type="primary", disabled=len(names) < 2 or job is not None):
    evaluation_job.start(cohort, KIND, partial(compare, cohort, names, limit=int(limit)))
    st.rerun()
if job is not None:
    evaluation_job.show(cohort, KIND)
result = evaluation_job.latest(cohort, KIND, Comparison)
if result is not None:
    show_comparison(result, evaluation_job.latest(cohort, "evaluate", Result))
elif job is None:
    st.info(f"{'Choose two checkpoints, then' if len(names) < 2 else 'Now'} press Compare.", icon=":material/compare:")

"""Two or more checkpoints on the same crops: maps, likeness, differences."""

from functools import partial

import streamlit as st

from isimed.evaluation.results.result import Comparison, Result
from isimed.evaluation.run.compare import compare
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

"""The panels of the Train page: what a training would take, the runs, and one run as it goes."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import cohort_names
from isimed.models.device import choose_device, free_memory
from isimed.models.gpu import read_gpus
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs import jobs
from isimed.training.runs.estimate import Estimate, estimate, in_words
from isimed.training.runs.folder import Run
from isimed.training.runs.preflight import preflight
from isimed.training.runs.status import Status
from isimed.ui import state, style
from isimed.ui.errors import of_the_page
from isimed.ui.train.curves import HELP, curves
from isimed.ui.train.form import fill_form

VIEW, RUN, PROBLEM, CHANGED = "train_view", "train_run", "train_problem", "train_changed"
NEW, RUNS = "New training", "Runs"
LOOK_EVERY_S = 2.0
RECENT = 20  # lines of the log whose speed is told
GIGABYTE = 1e9
COLOURS = {"running": "blue", "finished": "green", "failed": "red", "dead": "red", "stopped": "orange"}


def summary(config: TrainConfig | str) -> bool:
    """Cohort, split, device, time and memory of a training that has not started, or why it cannot.

    Args:
        config: or what is wrong with it.

    Returns:
        True where it can start.
    """
    if isinstance(config, str):
        st.error(plain(of_the_page(config)), icon=":material/error:")
        return False
    there = config.on == "slurm"
    try:
        cohort = state.load_cohort(config.cohort)
        ready = preflight(config, cohort)
        device, why = _cluster(config) if there else choose_device(config.device)
    except InputError as error:
        st.error(plain(of_the_page(str(error))), icon=":material/error:")
        return False
    for warning in ready.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    guess = estimate(config, training_volumes=len(cohort.subset(ready.train)), device=device)
    st.markdown(
        f"**{plain(cohort.name)}**: {len(cohort.volumes)} volumes of {len(cohort.subjects)} patients, "
        + f"{plain(cohort.modality)}, "
        + (f"common frame {plain(cohort.frame)}." if cohort.frame else "no common frame.")
    )
    source = f"by {plain(Path(config.split).name)}" if config.split else f"drawn with seed {config.seed}"
    st.markdown(f"**Split**: {len(ready.train)} patients to train on, {len(ready.held_out)} held out, {source}.")
    st.markdown(f"**Device**: {device} ({plain(why)}).")
    st.markdown(
        f"**Takes** about {in_words(guess.seconds)}: {guess.steps} steps of {guess.crops} crops, "
        f"{guess.rate:.3g} crops a second, {guess.source}."
    )
    needed = f"**Memory** about {guess.memory / GIGABYTE:.1f} GB"
    if there:
        st.markdown(f"{needed}, over all processes.")
        return True
    free = free_memory(device)
    st.markdown(f"{needed} of {free / GIGABYTE:.0f} GB free.")
    if guess.memory > free:
        st.warning(plain(_what_fits(config, guess, free)))
    if device == "cuda":
        show_gpus()
    return True


def _what_fits(config: TrainConfig, guess: Estimate, free: float) -> str:
    """What to change where a step needs more memory than is free."""
    most = guess.volumes_within(free)
    if not most:
        return "This may not fit into memory, not even one volume a step: take fewer crops a volume, or smaller ones."
    said = f"at most {most} volume{'s' * (most != 1)} a step, or fewer crops a volume"
    return f"This may not fit into memory: take {said} (now {config.volumes_per_step})."


def say_gpus() -> None:
    """What the GPUs do right now: name, how busy, memory."""
    for gpu in read_gpus():
        st.caption(plain(gpu.in_words()))


show_gpus = st.fragment(run_every=LOOK_EVERY_S)(say_gpus)


def _cluster(config: TrainConfig) -> tuple[str, str]:
    each = f"{config.gpus} GPUs each" if config.gpus else "no GPU asked for"
    nodes = "1 node" if config.nodes == 1 else f"{config.nodes} nodes"
    return (
        "cuda" if config.gpus else "cpu",
        f"SLURM: {nodes}, {each}, at most {config.hours:g} h at a time",
    )


def start_training(config: TrainConfig) -> None:
    """Start, and show the new run. A callback."""
    try:
        show_run(jobs.submit(config).id)
    except (InputError, OSError) as error:
        st.session_state[PROBLEM] = f"The training could not be started: {error}"


def show_run(run_id: str) -> None:
    st.session_state[RUN], st.session_state[VIEW] = run_id, RUNS


def duplicate(run: Run) -> None:
    """Open the form with a run's options. A callback."""
    try:
        fill_form(run.config)
        st.session_state[VIEW] = NEW
    except InputError as error:
        st.session_state[PROBLEM] = str(error)


def run_table(runs: Sequence[Run]) -> list[Run]:
    """All runs with a filter; rows that are ticked are compared.

    Returns:
        The ticked runs.
    """
    text = st.text_input("Filter", placeholder="method, cohort, state or name", key="train_filter").lower()
    rows = [_row(run) for run in runs]
    kept = [i for i, row in enumerate(rows) if text in " ".join(map(str, row.values())).lower()]
    frame = pd.DataFrame([rows[i] for i in kept])
    if frame.empty:
        st.caption("No run fits the filter.")
        return []
    event = style.table(
        frame,
        height=min(38 + 35 * len(frame), 250),
        on_select="rerun",
        selection_mode="multi-row",
        key=f"train_table_{text}",
        column_config={
            "Spearman": st.column_config.NumberColumn(format="%.3f"),
            "Error, mm": st.column_config.NumberColumn(format="%.1f"),
            "RankMe": st.column_config.NumberColumn(format="%.1f"),
        },
    )
    return [runs[kept[i]] for i in event.selection.rows]


def _row(run: Run) -> dict[str, object]:
    status = jobs.status(run)
    try:
        config = run.config
        method, cohort = str(config.method), Path(config.cohort.removesuffix("/dataset.json")).name
    except InputError:
        method, cohort = "?", "?"
    return {
        "Run": run.id,
        "State": status.state,
        "Method": method,
        "Cohort": cohort,
        "Step": f"{status.step} / {status.total_steps}" if status.total_steps else "",
        "Spearman": status.best.get("spearman"),
        "Error, mm": status.best.get("rmse_mm"),
        "RankMe": status.best.get("rankme"),
    }


def run_panel(run: Run, compared: Sequence[Run]) -> None:
    """State, buttons, curves and log of a run; looks again every two seconds, also where nothing moves yet."""
    st.fragment(_run_panel, run_every=LOOK_EVERY_S)(run, compared)


def _run_panel(run: Run, compared: Sequence[Run]) -> None:
    if st.session_state.pop(CHANGED, False):
        st.rerun()  # all of the page, not the fragment alone
    status = jobs.status(run)
    shown = {one.id: one.metrics() for one in (compared or [run])}
    _state(status, shown.get(run.id) or run.metrics())
    if status.active and status.device.startswith("cuda"):
        say_gpus()
    _buttons(run, status)
    if any(shown.values()):
        st.plotly_chart(curves(shown), key="train_curves")
        st.caption(HELP)
    else:
        st.caption("Curves appear with the first step.")
    with st.expander("Log", expanded=status.state in ("failed", "dead")):
        st.code(run.log_tail() or "Nothing yet.", language=None)
    with st.expander("Options and folder"):
        st.code(f"# {run.folder}\n{run.options_text()}", language="yaml")


def _state(status: Status, lines: Sequence[dict[str, Any]]) -> None:
    rates = [line["crops_per_second"] for line in lines[-RECENT:] if "crops_per_second" in line]
    rate = f", {statistics.median(rates):.3g} crops a second" if status.active and rates else ""
    left = f", {in_words(status.seconds_left)} left" if status.active and status.seconds_left else ""
    about = of_the_page(status.message) or (f"on {status.device}" if status.device else "")
    st.markdown(f":{COLOURS.get(status.state, 'gray')}-badge[{status.state}] {plain(about)}")
    if status.total_steps:
        text = f"Step {status.step} of {status.total_steps}, epoch {status.epoch + 1}{rate}{left}"
        st.progress(min(1.0, status.step / status.total_steps), text)


def _buttons(run: Run, status: Status) -> None:
    """What a click does is a callback: a run of the page that looks again may end the one that the click began."""
    row = style.row()
    saving = (jobs.stop_soon, run, "Saving and stopping; it is gone within 25 seconds.")
    can_stop = status.active and status.state != "stopping"
    row.button("Stop", on_click=_try, args=saving, disabled=not can_stop)
    again = (jobs.resume, run, "Going on from the last checkpoint.")
    row.button("Resume", on_click=_try, args=again, disabled=not status.resumable)
    if row.button("Duplicate with changes", on_click=duplicate, args=(run,)):
        st.rerun()  # all of the page
    ready = (run.best / "checkpoint.json").is_file()
    about = None if ready else "There is a checkpoint after the first validation."
    row.button(
        "Use this checkpoint",
        type="primary",
        on_click=_use,
        args=(run,),
        disabled=not ready,
        help=about,
    )


def _use(run: Run) -> None:
    """The other pages open this checkpoint, on the cohort that it was trained on where that has a name there."""
    st.session_state["checkpoint"], st.session_state[CHANGED] = run.id, True
    if run.config.cohort in cohort_names():
        state.open_cohort(run.config.cohort)


def _try(action: Callable[[Run], None], run: Run, said: str) -> None:
    try:
        action(run)
        st.toast(said)
    except InputError as error:
        st.toast(plain(of_the_page(str(error))), icon=":material/error:")

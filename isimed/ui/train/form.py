"""The form of a new training, made from the config model: its groups, help, units, limits and choices."""

import re
import types
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import ValidationError

from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import cohort_names
from isimed.data.cohorts.splits import split_path
from isimed.training.optimise.config import Option, TrainConfig, options
from isimed.training.optimise.methods import METHODS, find_method
from isimed.training.optimise.presets import PRESETS, preset_options
from isimed.training.runs import slurm
from isimed.ui import link
from isimed.ui.errors import of_the_page
from isimed.ui.field_names import field_of
from isimed.ui.state import load_cohort

DRAFT, SPLIT_SEEN, PRESET = "train_draft", "train_split_seen", "train_preset"
COLUMNS = (("Data", "Batches"), ("Loss", "Augmentation"), ("Optimiser", "Run"))
CLUSTER = "Cluster"  # shown where SLURM is
LEFT_EMPTY = {
    "name": "made for you",
    "limit": "all",
    "split": "drawn at random",
    "threads": "all",
    "foreground_above": "by modality",
    "partition": "default",
}


def config_form() -> TrainConfig | str:
    """Draw the form; what was typed survives leaving the page.

    Returns:
        The config, or a sentence about what is wrong with it.
    """
    st.session_state.setdefault(DRAFT, {})
    cohort, method, preset, name = st.columns(4)
    with cohort:
        _cohort()
    with preset:
        st.selectbox(
            "Preset",
            list(PRESETS),
            key=PRESET,
            index=None,
            placeholder="none",
            on_change=_take_preset,
            help="Fills the form with the settings of the paper or of its authors' code; change what you like.",
        )
    by_name = {option.name: option for option in options()}
    with method:
        wanted = _method(by_name["method"])
    with name:
        _widget(by_name["name"])
    try:
        chosen = find_method(wanted)
    except InputError as error:
        return of_the_page(str(error))
    st.caption(plain(chosen.description))
    for column, groups in zip(st.columns(len(COLUMNS)), COLUMNS, strict=True):
        for group in groups:
            with column:
                _group(group, [o for o in by_name.values() if o.group == group and chosen.uses(o.name)])
    if slurm.available():
        _cluster([option for option in by_name.values() if option.group == CLUSTER])
    else:  # also where the options are those of a run that was SLURM's
        st.session_state[DRAFT]["on"] = "here"
    try:
        return TrainConfig.model_validate(st.session_state[DRAFT])
    except ValidationError as error:
        first = error.errors()[0]
        return f"{field_of(str(first['loc'][0]))}: {first['msg']}."


def _take_preset() -> None:
    """Put a preset's options into the form. A callback."""
    draft, name = st.session_state[DRAFT], st.session_state[PRESET]
    if not name:
        return
    try:
        framed = load_cohort(draft.get("cohort", "")).frame is not None
    except InputError:  # which the page says
        framed = False
    spacing_mm = draft.get("spacing_mm", TrainConfig.model_fields["spacing_mm"].default)
    for option, value in preset_options(name, common_frame=framed, spacing_mm=spacing_mm).items():
        draft[option] = st.session_state[_key(option)] = value


def fill_form(config: TrainConfig) -> None:
    """Put another training's options into the form (from a callback: before its widgets are drawn)."""
    for option in options():
        st.session_state.pop(_key(option.name), None)
    st.session_state[DRAFT] = config.model_dump()
    st.session_state[SPLIT_SEEN] = _saved_split(config.cohort)


def _group(title: str, fields: list[Option]) -> None:
    with st.container(border=True):
        st.markdown(f"**{title}**")
        for option in fields:
            if not option.advanced:
                _widget(option)
        if any(option.advanced for option in fields):
            with st.expander("More"):
                for option in fields:
                    if option.advanced:
                        _widget(option)


def _cluster(fields: list[Option]) -> None:
    """Where to work; SLURM's own options only for who chose it."""
    where, *rest = fields
    with st.container(border=True):
        columns = st.columns(len(fields))
        with columns[0]:
            chosen = _widget(where)
        for option, column in zip(rest, columns[1:], strict=True):
            if chosen == "slurm":
                with column:
                    _widget(option)


def _method(option: Option) -> str:
    """The methods of the table, or the name of one's own typed in."""
    draft, key = st.session_state[DRAFT], _key(option.name)
    wanted = st.session_state.setdefault(key, draft.get(option.name, option.default))
    names = list(METHODS) if wanted in METHODS else [wanted, *METHODS]
    text = "Or type package.module:NAME of a method of your own: docs/training.md says how to write one."
    value = st.selectbox(_label(option), names, key=key, help=text, accept_new_options=True)
    draft[option.name] = value or option.default
    return draft[option.name]


def _cohort() -> None:
    draft, key = st.session_state[DRAFT], _key("cohort")
    names = cohort_names()
    shown = link.wished("cohort", st.session_state.get("cohort"))
    wanted = draft.get("cohort") or (shown if shown in names else None)
    if wanted and wanted not in names:
        names = [wanted, *names]
    if key not in st.session_state and names:
        st.session_state[key] = wanted or names[0]
    text = "A cohort of the Volumes page, or type the path of a dataset.json."
    draft["cohort"] = st.selectbox("Cohort", names, key=key, help=text, accept_new_options=True) or ""
    saved = _saved_split(draft["cohort"])
    if st.session_state.get(SPLIT_SEEN) != saved:  # another cohort, or saved anew: drawn below by `_widget`
        st.session_state[SPLIT_SEEN] = saved
        st.session_state[_key("split")] = draft["split"] = saved[0] if saved else None


def _saved_split(cohort: str) -> tuple[str, int] | None:
    """The split that was saved on the Volumes page, and when."""
    try:
        path = split_path(load_cohort(cohort))
        return str(path), path.stat().st_mtime_ns
    except (InputError, OSError):
        return None


def _widget(option: Option) -> Any:
    """Draw the widget that fits the field's type, and note its value in the draft."""
    draft, key = st.session_state[DRAFT], _key(option.name)
    field = TrainConfig.model_fields[option.name]
    if key not in st.session_state:
        st.session_state[key] = draft.get(option.name, field.default)
    kind = _kind(field.annotation)
    label, about = _label(option), option.description
    if get_origin(kind) is Literal:
        value: Any = st.selectbox(label, get_args(kind), key=key, help=about)
    elif kind in (int, float):
        limits = _limits(field.metadata, field.default, whole=kind is int)
        value = st.number_input(label, key=key, help=about, placeholder=LEFT_EMPTY.get(option.name), **limits)
    else:
        value = st.text_input(label, key=key, help=about, placeholder=LEFT_EMPTY.get(option.name)) or None
    draft[option.name] = value
    return value


def _limits(metadata: list[Any], default: Any, *, whole: bool) -> dict[str, Any]:
    """What a number input may hold. A float above 0 has no least value: the config itself refuses 0."""
    kind = int if whole else float
    small = default / 10 if default and default < 0.1 else 0.05
    found: dict[str, Any] = {"step": 1} if whole else {"step": small, "format": "%g"}
    for limit in metadata:
        bound: Any = limit
        if isinstance(limit, annotated_types.Ge):
            found["min_value"] = kind(bound.ge)
        elif isinstance(limit, annotated_types.Gt) and whole:
            found["min_value"] = int(bound.gt) + 1
        elif isinstance(limit, annotated_types.Le):
            found["max_value"] = kind(bound.le)
        elif isinstance(limit, annotated_types.MultipleOf):
            found["step"] = kind(bound.multiple_of)
    return found


def _kind(annotation: Any) -> Any:
    """``int | None`` -> int."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _label(option: Option) -> str:
    words = field_of(option.name)
    said = re.findall(r"\w+", words.lower())
    return f"{words}, {option.unit}" if option.unit and option.unit.lower() not in said else words


def _key(name: str) -> str:
    return f"train.{name}"

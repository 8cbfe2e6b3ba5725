"""The form of a new training, made from the config model: its groups, help, units, limits and choices."""

import types
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import ValidationError

from isimed.data.cohort import cohort_names
from isimed.training import slurm
from isimed.training.config import Option, TrainConfig, options
from isimed.training.methods import METHODS

DRAFT = "train_draft"
COLUMNS = (("Data", "Batches"), ("Loss", "Augmentation"), ("Optimiser", "Run"))
CLUSTER = "Cluster"  # shown where SLURM is


def config_form() -> TrainConfig | None:
    """Draw the form; what was typed survives leaving the page.

    Returns:
        The config, or None after saying what is wrong with it.
    """
    st.session_state.setdefault(DRAFT, {})
    cohort, method, name = st.columns(3)
    with cohort:
        _cohort()
    by_name = {option.name: option for option in options()}
    with method:
        chosen = _widget(by_name["method"])
    with name:
        _widget(by_name["name"])
    st.caption(METHODS[chosen].description)
    for column, groups in zip(st.columns(len(COLUMNS)), COLUMNS, strict=True):
        for group in groups:
            with column:
                _group(group, [o for o in by_name.values() if o.group == group and o.counts_for(chosen)])
    if slurm.available():
        _group(CLUSTER, [option for option in by_name.values() if option.group == CLUSTER])
    try:
        return TrainConfig.model_validate(st.session_state[DRAFT])
    except ValidationError as error:
        first = error.errors()[0]
        st.error(f"{_words(str(first['loc'][0]))}: {first['msg']}.")
        return None


def fill_form(config: TrainConfig) -> None:
    """Put another training's options into the form (from a callback: before its widgets are drawn)."""
    for option in options():
        st.session_state.pop(_key(option.name), None)
    st.session_state[DRAFT] = config.model_dump()


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


def _cohort() -> None:
    draft, key = st.session_state[DRAFT], _key("cohort")
    names = cohort_names()
    wanted = draft.get("cohort") or st.session_state.get("cohort")
    if wanted and wanted not in names:
        names = [wanted, *names]
    if key not in st.session_state and names:
        st.session_state[key] = wanted or names[0]
    text = "A cohort of the Volumes page, or type the path of a dataset.json."
    draft["cohort"] = st.selectbox("Cohort", names, key=key, help=text, accept_new_options=True) or ""


def _widget(option: Option) -> Any:
    """Draw the widget that fits the field's type, and note its value in the draft."""
    draft, key = st.session_state[DRAFT], _key(option.name)
    field = TrainConfig.model_fields[option.name]
    if key not in st.session_state:
        st.session_state[key] = draft.get(option.name, field.default)
    kind, optional = _kind(field.annotation)
    label, about = _label(option), option.description
    if get_origin(kind) is Literal:
        value: Any = st.selectbox(label, get_args(kind), key=key, help=about)
    elif kind in (int, float):
        limits = _limits(field.metadata, field.default, whole=kind is int)
        placeholder = "default" if optional else None
        value = st.number_input(label, key=key, help=about, placeholder=placeholder, **limits)
    else:
        value = st.text_input(label, key=key, help=about, placeholder="default") or None
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


def _kind(annotation: Any) -> tuple[Any, bool]:
    """``int | None`` -> (int, True)."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return parts[0], True
    return annotation, False


def _label(option: Option) -> str:
    words = _words(option.name)
    return f"{words}, {option.unit}" if option.unit and option.unit not in words.lower().split() else words


def _words(name: str) -> str:
    fixed = {"spacing_mm": "Spacing, mm", "mm_per_unit": "Code scale, mm a unit"}
    return fixed.get(name, name.replace("_", " ").capitalize().replace("Barlow twins", "Barlow Twins"))


def _key(name: str) -> str:
    return f"train.{name}"

"""Names are text: letter for letter in Markdown, in figures, in tables."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isimed.core.text import JOINER, plain, plain_cell, plain_html

MARKUP = re.compile(r"(?<!\\)[`*\[\]<>~$|]")


@given(st.text(max_size=40))
def test_no_mark_of_markdown_is_left_bare(name):
    bare = re.sub(r"\\[^\w\s]", "", plain(name))
    assert not MARKUP.search(bare)
    assert "\n" not in plain(name)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40))
def test_only_escapes_are_added_to_a_name(name):
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(name)).replace(JOINER, "")
    assert shown == " ".join(name.split())


@pytest.mark.parametrize("name", ["VP-02", "scan_3.nii.gz", "Case (2)", "left putamen", "12:30, 5 mm"])
def test_usual_names_stay_as_they_are(name):
    assert plain(name) == name


@pytest.mark.parametrize(
    "name", ["http://host/x", "www.host.org", ":material/home:", ":smile:", "a -> b", "me@host.org"]
)
def test_what_is_looked_for_behind_escapes_is_broken_up(name):
    assert JOINER in plain(name)


def test_turning_characters_cannot_reverse_the_words_beside_a_name():
    assert plain("\u202egpj.exe") == "\ufffdgpj.exe"


def test_a_figure_gets_no_tags():
    assert plain_html('<a href="http://x">1</a>') == "&lt;a href=&quot;http://x&quot;&gt;1&lt;/a&gt;"


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_gets_no_formula(name):
    assert plain_cell(name) == f"'{name}"

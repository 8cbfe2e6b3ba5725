"""What the tour says holds in every window."""

import re

from isimed.ui.handout.tour import STEPS


def test_no_step_speaks_of_left_or_right_as_narrow_windows_put_one_below_the_other():
    assert len(STEPS) == 6
    assert not [step.words for step in STEPS if re.search(r"\b(left|right|beside)\b", step.words)]

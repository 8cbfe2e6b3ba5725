"""What scripts read is JSON, whatever a diverged training or an undefined figure left in it."""

import json

import numpy as np
import pytest

from isimed.cli.terminal.output import print_json
from isimed.core.json_values import without_nan
from isimed.evaluation.context.outcome import Outcome

NAN, ENDLESS = float("nan"), float("inf")


def test_numbers_that_json_does_not_know_are_null(capsys: pytest.CaptureFixture) -> None:
    print_json([{"run": "a", "best": {"rmse_mm": NAN}, "left": (np.float64(ENDLESS), 2.5)}])
    told = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert told == [{"run": "a", "best": {"rmse_mm": None}, "left": [None, 2.5]}]


def test_details_of_an_evaluation_are_json_too() -> None:
    packed = Outcome({}, {"worst": [{"score": -ENDLESS, "subject": "S1"}], "notes": ["x"]}).pack()
    assert json.loads(json.dumps(packed, allow_nan=False))["details"]["worst"][0] == {"score": None, "subject": "S1"}
    assert without_nan("nan") == "nan"

"""Where a trained network computes."""

import pytest
import torch

from isimed.models.device import ROOM, fastest_device


@pytest.mark.parametrize(
    ("there", "free", "device"), [(True, ROOM, "cuda"), (True, ROOM - 1, "cpu"), (False, 0, "cpu")]
)
def test_a_gpu_is_used_where_it_has_room(there: bool, free: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 2 * ROOM))
    assert fastest_device() == device
    assert torch.backends.cudnn.allow_tf32 == (device == "cpu")

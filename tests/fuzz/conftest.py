import pytest

import datamodules.notices


@pytest.fixture(autouse=True)
def every_note_is_new(monkeypatch):
    monkeypatch.setattr(datamodules.notices, "_said", set())

import pytest
import torch


@pytest.fixture(autouse=True)
def double_precision_seeded_single_thread():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)

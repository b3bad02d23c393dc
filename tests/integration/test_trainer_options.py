import math

import pytest

from commands.trainer_options import check_trainer


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("overfit_batches", 1, "trainer.overfit_batches=1 has no use here: .*data.train"),
        ("overfit_batches", 0.5, "trainer.overfit_batches=0.5 has no use here"),
        ("use_distributed_sampler", False, "trainer.use_distributed_sampler=False has no use"),
        ("accumulate_grad_batches", 0, "accumulate_grad_batches must be at least 1, got 0"),
        ("accumulate_grad_batches", -1, "accumulate_grad_batches must be at least 1, got -1"),
        ("log_every_n_steps", -1, "log_every_n_steps must be at least 1, got -1"),
        ("num_nodes", 0, "num_nodes must be at least 1, got 0"),
        ("gradient_clip_val", -1.0, "gradient_clip_val must be a number of at least 0.*got -1"),
        ("gradient_clip_val", math.nan, "gradient_clip_val must be .*got nan"),
        ("gradient_clip_val", math.inf, "gradient_clip_val must be .*got inf"),
        ("max_time", {"a": 1}, "trainer.max_time has a; its parts are days, hours"),
        ("val_check_interval", {"seconds": 1, "b": 2}, "val_check_interval has b; its parts are"),
    ],
)
def test_option_without_a_use_is_refused_by_its_name(name, value, words):
    with pytest.raises(ValueError, match=words):
        check_trainer({name: value})


def test_options_with_a_use_are_taken():
    check_trainer(
        {
            "overfit_batches": 0.0,
            "use_distributed_sampler": True,
            "accumulate_grad_batches": 2,
            "log_every_n_steps": None,
            "gradient_clip_val": 0,
            "max_time": {"hours": 1},
            "val_check_interval": 0.5,
        }
    )

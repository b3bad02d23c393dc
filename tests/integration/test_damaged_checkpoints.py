"""Checkpoints that are damaged, of another kind or of another program: a sentence names the file.

Every part of one that works is left out, or replaced by something of another kind.
"""

import os
import pickle
import re
from pathlib import Path

import pytest
import torch

import cli
from emulators.checkpoint_file import PARTS, read_checkpoint
from tests.conftest import SMOKE

LAST = "runs/smoke/last.ckpt"
FINE = ["fit", "-c", str(SMOKE), "--trainer.default_root_dir=fine", "--trainer.max_steps=1",
        "--trainer.callbacks+=callbacks.FineTuning"]  # fmt: skip
FILES = {
    "empty": b"",
    "text": b"weights: none\n",
    "number": pickle.dumps(3),
    "list": pickle.dumps([1, 2]),
    "zip": b"PK\x03\x04" + 50 * b"\0",
}
USES = {
    "fit": [
        "fit",
        f"--ckpt_path={LAST}",
        "--trainer.max_steps=7",
        "--trainer.logger=false",
        "--trainer.callbacks=[callbacks.Checkpoints]",
        "--trainer.limit_val_batches=0",
    ],
    "test": ["test", f"--ckpt_path={LAST}", "--trainer.limit_test_batches=0"],
    "tune": [*FINE, f"--trainer.callbacks.checkpoint={LAST}"],
}
OTHERS = (None, 3, "text", [1], {"a": 1}, {3: None}, float("nan"), True)


def refused(say, words, path=LAST):
    status, _, err = say(*words)
    assert status == 1, err
    assert err.count("emulate: error: ") == 1
    assert path in err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_contents_that_are_no_checkpoint(tmp_path, content):
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read_checkpoint(path)


@pytest.mark.parametrize("use", USES)
def test_files_that_are_no_checkpoint(workplace, say, use):
    Path(LAST).write_bytes(FILES["text"])
    refused(say, USES[use])
    torch.save(torch.zeros(3), LAST)
    refused(say, USES[use])
    Path(LAST).unlink()
    assert "no such checkpoint" in refused(say, USES[use])
    Path(LAST).mkdir()
    refused(say, USES[use])


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(workplace, say):
    Path(LAST).chmod(0)
    refused(say, USES["test"])


@pytest.mark.parametrize("half", [0.2, 0.5, 0.99])
def test_truncated_file(workplace, say, half):
    content = Path(LAST).read_bytes()
    Path(LAST).write_bytes(content[: int(half * len(content))])
    refused(say, USES["test"])


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_other_kinds(workplace, part):
    checkpoint = torch.load(LAST, weights_only=True)
    assert part in checkpoint
    for other in OTHERS:
        if PARTS[part][1](other):
            assert type(other) is type(checkpoint[part])
            continue
        torch.save({**checkpoint, part: other}, LAST)
        with pytest.raises(ValueError, match=f"{LAST} .*'{part}'"):
            read_checkpoint(Path(LAST))


@pytest.mark.parametrize("part", ["optimizer_states", "lr_schedulers", "loops", "callbacks"])
def test_training_needs_its_parts_and_a_test_does_not(workplace, say, part):
    checkpoint = torch.load(LAST, weights_only=True)
    del checkpoint[part]
    torch.save(checkpoint, LAST)
    assert f"'{part}'" in refused(say, USES["fit"])
    cli.run(USES["test"])


def inside(checkpoint):
    """Yield (name, change) for changes deep within the parts."""
    optimizer = checkpoint["optimizer_states"][0]
    callback = next(name for name in checkpoint["callbacks"] if "Checkpoints" in name)
    yield "optimizer", lambda c: c["optimizer_states"].clear()
    yield "group", lambda c: c["optimizer_states"][0]["param_groups"][0].pop("lr")
    yield "groups", lambda c: c["optimizer_states"][0]["param_groups"].clear()
    first = next(n for n, state in optimizer["state"].items() if "average" in state)
    yield "moment", lambda c: c["optimizer_states"][0]["state"][first].update(average="text")
    yield "moments", lambda c: c["optimizer_states"][0]["state"][first].pop("square")
    yield (
        "shape",
        lambda c: c["optimizer_states"][0]["state"][first].update(average=torch.zeros(3, 5)),
    )
    yield "schedule", lambda c: c["lr_schedulers"][0].pop("last_epoch")
    yield "last epoch", lambda c: c["lr_schedulers"][0].update(last_epoch="soon")
    yield "fit loop", lambda c: c["loops"].pop("fit_loop")
    yield "progress", lambda c: c["loops"]["fit_loop"].update({"epoch_loop.batch_progress": 3})
    yield (
        "count",
        lambda c: c["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"].pop("ready"),
    )
    yield "best score", lambda c: c["callbacks"][callback].update(best="text")
    yield "windows", lambda c: c["callbacks"][callback].update(shared=[3])


def test_changes_within_the_parts(workplace, say):
    original = Path(LAST).read_bytes()
    for _, change in inside(torch.load(LAST, weights_only=True)):
        Path(LAST).write_bytes(original)
        checkpoint = torch.load(LAST, weights_only=True)
        change(checkpoint)
        torch.save(checkpoint, LAST)
        refused(say, USES["fit"])


@pytest.mark.parametrize(
    "content",
    [b"", b"text", {"purpose": "p"}, [3], {"purpose": 3, "batch": "a"}],
    ids=["empty", "text", "parts", "list", "kinds"],
)
def test_bookmarks(workplace, say, content):
    path = Path("runs/smoke/rollout-0.ckpt")
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    err = refused(say, ["test", f"--ckpt_path={LAST}", "--resume=true"], str(path))
    assert "without --resume" in err
    assert "room" not in err

"""What is kept beside data, spoiled in any way: made again, never read wrong, never an error."""

import json

import numpy as np
import pytest
import torch

from datamodules import TrajectoryDataModule
from tests.datamodules.files import write_file
from tests.fuzz.damage import JUNK, OTHER_KINDS, blanked, flipped, truncated
from tests.fuzz.judge import left

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A data set with all that is kept of it, and what it gives."""
    root = tmp_path_factory.mktemp("kept")
    write_file(root / "train" / "a.nc", (2, 9, 8, 8), seed=3)
    return root, look(root)


def look(root):
    data = TrajectoryDataModule(root, periodic=True, storage="shared")
    mean = data.reference("train", {"name": "mean"}, lambda: {"mean": compute(data)})["mean"]
    return (
        data.content_hash("train"),
        mean,
        torch.cat(list(data.trajectories("train").storage.pieces())),
    )


def compute(data):
    return sum(c.double().sum(0) for c in data.trajectories("train").chunks("mean")).numpy()


def spoil(kept, pattern, spoiler, capsys):
    root, (digest, mean, values) = kept
    (path,) = root.glob(pattern)
    whole = path.read_bytes()
    path.write_bytes(spoiler(whole))
    for attempt in range(2):
        found = look(root)
        assert found[0] == digest
        np.testing.assert_array_equal(found[1], mean)
        assert torch.equal(found[2], values)
        said = capsys.readouterr().err
        if attempt == 0 and path.suffix in (".npz", ".float32"):
            assert str(path) in said
    assert not left(root)


PLACES = ["reference/*.npz", "reference/hashes.json", "shared/*.float32", "shared/*.float32.json"]


@pytest.mark.parametrize("pattern", PLACES)
@pytest.mark.parametrize("name", JUNK)
def test_junk(kept, capsys, pattern, name):
    spoil(kept, pattern, lambda whole: JUNK[name], capsys)


@pytest.mark.parametrize("pattern", PLACES)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("damage", [truncated, flipped])
def test_damage(kept, capsys, pattern, seed, damage):
    spoil(kept, pattern, lambda whole: damage(whole, seed), capsys)


@pytest.mark.parametrize("seed", range(6))
def test_blanked_block(kept, capsys, seed):
    spoil(kept, "reference/*.npz", lambda whole: blanked(whole, seed, 64), capsys)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_hashes_of_other_kinds(kept, capsys, kind):
    value = OTHER_KINDS[kind]

    def entry(whole):
        return json.dumps(dict.fromkeys(json.loads(whole), value)).encode()

    def part(whole):
        return json.dumps(
            {k: [*v[:-2], value, v[-1]] for k, v in json.loads(whole).items()}
        ).encode()

    spoil(kept, "reference/hashes.json", lambda whole: json.dumps(value).encode(), capsys)
    spoil(kept, "reference/hashes.json", entry, capsys)
    spoil(kept, "reference/hashes.json", part, capsys)

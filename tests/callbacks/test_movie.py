import io

import numpy as np
import pytest
import torch
from PIL import Image

from callbacks import Movie
from callbacks.plotting.export import gif
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, RolloutBatch


def movie(evaluate, plane, diagnostic, steps=20, truth_steps=6):
    initial = torch.zeros(2, 1, 8, 8)
    initial[0, 0, 0, 0] = 6.0  # bottom left; the limit of colours is three standard deviations
    starts = [RolloutBatch(initial, torch.arange(2), steps, truth_steps)]
    scores = evaluate(diagnostic, Exact(-1.0, std=2.0), Data(plane, initial), starts)
    return diagnostic.movies(scores)["movie"]


def test_frames_show_truth_and_forecast_with_y_upwards(evaluate, plane):
    frames = movie(evaluate, plane, Movie(frames=10, width=8))
    assert frames.shape == (10, 8, 8 + 2 + 8, 3)
    assert frames.dtype == np.uint8
    red, blue, white = (103, 0, 31), (5, 48, 97), (247, 246, 246)
    # every second step of a state that changes its sign at each
    assert tuple(frames[0, 7, 0]) == red  # truth
    assert tuple(frames[0, 7, 10]) == red  # forecast after two steps
    assert np.abs(frames[0, 0, 0].astype(int) - white).max() <= 2
    assert tuple(movie(evaluate, plane, Movie(frames=20, width=8))[0, 7, 10]) == blue
    assert (frames[3, :, :8] == frames[3, 0, 0]).all()  # grey: no truth after six steps


def test_small_fields_are_enlarged(evaluate, plane):
    assert movie(evaluate, plane, Movie(frames=5, width=20)).shape == (5, 24, 54, 3)


def test_gif_moves_for_ever():
    frames = np.random.default_rng(0).integers(0, 255, (4, 10, 12, 3), dtype=np.uint8)
    image = Image.open(io.BytesIO(gif(frames)))
    assert (image.n_frames, image.size, image.info["loop"]) == (4, (12, 10), 0)


def test_is_left_out_in_one_dimension():
    diagnostic = Movie()
    diagnostic.attach(Data(Grid((16,), (22.0,)), torch.randn(3, 1, 16), variables=("u",)))
    assert "two dimensions" in diagnostic.unsupported_reason()


def test_malformed_options_are_refused():
    with pytest.raises(ValueError, match="frames and steps of at least 1, got frames=0"):
        Movie(frames=0)

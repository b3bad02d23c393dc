import pytest

from emulators.hierarchy.latent_layout import LatentLayout, NetworkMask


def test_no_latents_are_the_baseline():
    layout = LatentLayout([])
    assert layout.window == 2
    assert layout.masks == (NetworkMask((), True, (), 1),)
    assert layout.regular_mask(0) == 0


def test_three_levels_have_the_three_cases_of_the_paper():
    layout = LatentLayout([(1, 8), (2, 32)])
    assert layout.window == 4
    assert layout.masks == (
        NetworkMask(
            input_mask=(False, False), asks_state=False, target_mask=(True, False), advance=0
        ),
        NetworkMask(
            input_mask=(True, False), asks_state=False, target_mask=(False, True), advance=0
        ),
        NetworkMask(input_mask=(True, True), asks_state=True, target_mask=(True, True), advance=1),
    )


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
def test_levels_need_one_frame_more_than_they_are(levels):
    layout = LatentLayout([(lead, 2**lead) for lead in range(1, levels)])
    assert layout.window == levels + 1
    assert len(layout.masks) == levels


def test_spatial_hierarchy_has_no_cold_start():
    layout = LatentLayout([(0, 8), (0, 32)])
    assert layout.window == 2
    assert layout.masks == (NetworkMask((True, True), True, (True, True), 1),)
    assert layout.predicted == (0, 1)


def test_history_is_remembered_and_not_predicted():
    layout = LatentLayout([(-1, 8), (-2, 32)])
    assert (layout.history, layout.window, layout.predicted) == (2, 4, ())
    assert [mask.input_mask for mask in layout.masks] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert all(mask.asks_state and mask.target_mask == (False, False) for mask in layout.masks)
    assert [layout.regular_mask(n) for n in (0, 1, 2)] == [0, 1, 2]


def test_latents_of_equal_lead_start_together():
    layout = LatentLayout([(1, 4), (1, 16), (3, 8)])
    assert [mask.target_mask for mask in layout.masks[:2]] == [
        (True, True, False),
        (False, False, True),
    ]
    assert layout.masks[1].input_mask == (True, True, False)


def test_future_and_history_mix():
    layout = LatentLayout([(1, 4), (-1, 2)])
    assert layout.window == 4  # u_{n-1} .. u_{n+2}
    assert [mask.input_mask for mask in layout.masks] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert (layout.regular_mask(0), layout.regular_mask(1)) == (1, 2)


@pytest.mark.parametrize(
    ("latents", "message"),
    [([(1, 0)], "factors of at least 1"), ([(1, 4), (1, 4)], "must differ from each other")],
)
def test_malformed_latents_are_refused(latents, message):
    with pytest.raises(ValueError, match=message):
        LatentLayout(latents)

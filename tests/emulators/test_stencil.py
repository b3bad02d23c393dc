import pytest

from emulators.hierarchy.latent_layout import Case, LatentLayout


def test_no_latents_are_the_baseline():
    stencil = LatentLayout([])
    assert stencil.window == 2
    assert stencil.cases == (Case((), True, (), 1),)
    assert stencil.regular_case(0) == 0


def test_three_levels_have_the_three_cases_of_the_paper():
    stencil = LatentLayout([(1, 8), (2, 32)])
    assert stencil.window == 4
    assert stencil.cases == (
        Case(given=(False, False), state=False, asked=(True, False), advance=0),
        Case(given=(True, False), state=False, asked=(False, True), advance=0),
        Case(given=(True, True), state=True, asked=(True, True), advance=1),
    )


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
def test_levels_need_one_frame_more_than_they_are(levels):
    stencil = LatentLayout([(lead, 2**lead) for lead in range(1, levels)])
    assert stencil.window == levels + 1
    assert len(stencil.cases) == levels


def test_spatial_hierarchy_has_no_cold_start():
    stencil = LatentLayout([(0, 8), (0, 32)])
    assert stencil.window == 2
    assert stencil.cases == (Case((True, True), True, (True, True), 1),)
    assert stencil.predicted == (0, 1)


def test_history_is_remembered_and_not_predicted():
    stencil = LatentLayout([(-1, 8), (-2, 32)])
    assert (stencil.memory, stencil.window, stencil.predicted) == (2, 4, ())
    assert [case.given for case in stencil.cases] == [(False, False), (True, False), (True, True)]
    assert all(case.state and case.asked == (False, False) for case in stencil.cases)
    assert [stencil.regular_case(n) for n in (0, 1, 2)] == [0, 1, 2]


def test_latents_of_equal_lead_start_together():
    stencil = LatentLayout([(1, 4), (1, 16), (3, 8)])
    assert [case.asked for case in stencil.cases[:2]] == [(True, True, False), (False, False, True)]
    assert stencil.cases[1].given == (True, True, False)


def test_future_and_history_mix():
    stencil = LatentLayout([(1, 4), (-1, 2)])
    assert stencil.window == 4  # u_{n-1} .. u_{n+2}
    assert [case.given for case in stencil.cases] == [(False, False), (True, False), (True, True)]
    assert (stencil.regular_case(0), stencil.regular_case(1)) == (1, 2)


@pytest.mark.parametrize(
    ("latents", "message"),
    [([(1, 0)], "factors of at least 1"), ([(1, 4), (1, 4)], "must differ from each other")],
)
def test_malformed_latents_are_refused(latents, message):
    with pytest.raises(ValueError, match=message):
        LatentLayout(latents)

"""The page of a comparison: its words, its structure and the size of its pictures."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray
from PIL import Image

from callbacks.comparison.options import differing_options, options_of
from callbacks.comparison.page import file, page
from callbacks.comparison.page_tables import (
    MOST,
    all_differences,
    all_scores,
    chosen_table,
    options_table,
)
from callbacks.comparison.pictures import COLOURS, FRAMES, compressed
from callbacks.comparison.words import summary
from callbacks.diagnostics.compared import Run
from callbacks.plotting.export import gif, png
from callbacks.plotting.style import colour_map, sheet

STYLE = file("style.css")
VOID = {"meta", "img", "input"}
STARTS, STEPS = 4, 30


def run(name, errors, stable=1.0, folder=Path(), seed=None, method=None):
    """Return a run whose errors at leads 1, 10 and 25 are given; it varies between them."""
    mse = np.interp(np.arange(1, STEPS + 1), (1, 10, 25), errors)
    scores = xarray.Dataset(
        {
            "mse": (("initial_condition", "lead_time"), np.tile(mse, (STARTS, 1))),
            "stable": ("initial_condition", np.full(STARTS, stable)),
        }
    )
    about = {"rollouts": {"initial_conditions": STARTS, "steps": 1000}, "seed": seed}
    return Run(name, scores, {**about, "method": method}, folder)


# Words ------------------------------------------------------------------------------------------


def test_the_least_error_is_named_at_each_lead():
    found = summary([run("a", (1, 4, 8)), run("b", (2, 3, 6)), run("c", (9, 9, 9))])
    assert found == [
        "The mean squared error is least for a at lead 1 (1; 50 % below b) and for b at leads 10 "
        "and 25 (3 and 6; 25 % below a).",
        "This is more than chance (95 % intervals).",
        "These are means over 4 initial conditions (taken to be independent: the scores do not say "
        "where in the data they are); each method has a single seed, and another seed may change "
        "the order where differences are small.",
        "100 % of the rollouts of every method are stable for all 1,000 steps.",
    ]


def test_a_range_of_differences_and_of_followers_is_short():
    runs = [run("a", (1, 3, 5)), run("b", (2, 4, 9)), run("c", (3, 5, 5.01))]
    assert "(1, 3 and 5; 1 to 50 % below the next)" in summary(runs)[0]
    close = [run("a", (1, 1, 1)), run("b", (1.001, 1.001, 1.001))]
    assert "(1, 1 and 1; less than 1 % below b)" in summary(close)[0]


def test_seeds_are_one_method():
    runs = [
        run(f"{m}{s}", (e, 1, 1), seed=s, method=m) for m, e in (("a", 1), ("b", 3)) for s in (0, 1)
    ]
    runs[0].scores["mse"][:, 0] = 2.0  # the mean of a is 1.5
    found = summary(runs)
    assert found[0].startswith("The mean squared error is least for a at leads 1, 10 and 25 (1.5, ")
    assert found[1] == "No such difference is more than chance (95 % intervals)."
    assert found[2].startswith("These are means over 4 initial conditions (taken")
    assert found[2].endswith("and at least 2 seeds of each method.")


def test_methods_that_diverge_are_not_the_best():
    runs = [run("a", (1, np.nan, np.nan), 0.25), run("b", (2, 3, 4), 0.5), run("c", (3, 4, 5))]
    found = summary(runs)
    assert "b at leads 10 and 25 (3 and 4" in found[0]
    assert found[-1] == "Stable for all 1,000 steps are 100 % of c, 50 % of b and 25 % of a."


def test_one_run_is_compared_with_none():
    found = summary([run("a", (1, 2, 3), 0.5)])
    assert found == [
        "The mean squared error of a is 1, 2 and 3 at leads 1, 10 and 25.",
        "50 % of the rollouts of a are stable for all 1,000 steps.",
    ]


def test_scores_without_errors_have_no_words():
    assert summary([Run("a", xarray.Dataset(), {}, Path())]) == []


# Structure --------------------------------------------------------------------------------------


class Tree(HTMLParser):
    """Elements of a page with the names of those around them; refuses tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        around = [*self.open]
        self.found.append((tag, dict(attributes), around))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, *tags):
        return [element for element in self.found if element[0] in tags]


@pytest.fixture
def folder(tmp_path):
    figure = sheet(4, 3)
    figure.subplots().plot([0, 1])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy.png").write_bytes(png(figure))
        (tmp_path / name / "movie.gif").write_bytes(gif(turbulence(3)))
    return tmp_path


@pytest.fixture
def tree(folder):
    runs = [
        run("one", (1, 2, 3), folder=folder / "one"),
        run("<two>", (2, 3, 4), folder=folder / "two"),
    ]
    return Tree(page(runs))


def test_page_is_whole_html_that_loads_nothing(tree):
    assert tree.of("html", "main")[0][1]["lang"] == "en"
    assert tree.of("meta")[1][1]["content"] == "width=device-width, initial-scale=1"
    assert tree.of("meta")[2][1]["content"].startswith("default-src 'none'; img-src data:;")
    assert len(tree.of("img")) == 2 * 2
    for _, attributes, _ in tree.found:
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert tree.of("link") == []


def test_licence_of_the_library_is_in_the_page(tmp_path):
    text = page([run("a", (1, 2, 3), folder=tmp_path)])
    assert "The MIT License (MIT)" in text
    assert "Leon Sorokin" in text


def test_rows_are_sorted_by_buttons_in_the_headings(tree):
    headings = [
        own for _, own, around in tree.of("th") if "thead" in around and "div" not in around
    ]
    assert len(headings) == len([1 for *_, around in tree.of("button") if "thead" in around]) == 4
    assert {own["aria-sort"] for own in headings} == {"none"}
    cells = [own for _, own, around in tree.of("td") if "div" not in around]
    assert [own["data-label"] for own in cells[:4]] == [
        "MSE at 1",
        "MSE at 25",
        "stable",
        "MSE at 1",
    ]
    assert [own["data-sort"] for own in cells[:2]] == ["1", "3"]


def test_long_tables_are_folded_and_scroll_in_their_boxes_also_by_keys(tree):
    boxes = [own for _, own, _ in tree.of("div") if own.get("class") == "scroll"]
    assert [own["aria-label"] for own in boxes] == ["All scores", "Differences and their intervals"]
    for box in boxes:
        assert (box["tabindex"], box["role"]) == ("0", "region")
    assert all("details" in around for _, own, around in tree.of("div") if own in boxes)
    assert re.search(r"\.scroll \{[^}]*overflow-x: auto", STYLE)
    assert re.search(
        r"tr > :first-child \{ position: sticky; left: 0[^}]*max-width: min\(40vw", STYLE
    )


def test_no_more_scores_than_fit_are_shown_and_all_are_in_the_fold(tmp_path):
    own = {f"own {n}": float(n) for n in range(20)}
    runs = [replace(run(name, (1, 2, 3), folder=tmp_path), own=own) for name in "ab"]
    text = chosen_table(runs)
    assert text.count("<th scope=col") == 1 + MOST
    assert all(f"<th scope=row>{name}</th>" in all_scores(runs) for name in own)


def test_the_best_is_in_bold_and_the_differences_are_listed(tmp_path):
    both = (("a", (1, 5, 3)), ("b", (2, 4, 3)))
    runs = [run(name, errors, folder=tmp_path) for name, errors in both]
    assert "<b>1</b>" in chosen_table(runs)
    assert ">MSE at 10</th><td>b</td><td>a</td><td>-1</td><td>-1 to -1</td><td>yes<" in (
        all_differences(runs)
    )


def test_options_that_differ_are_listed_for_each_run(tmp_path):
    texts = {
        "a": "seed_everything: 0\nmodel: {class_path: Baseline, init_args: {width: 8, lr: 1}}\n",
        "b": "seed_everything: 0\nmodel: {class_path: '<Other>', init_args: {width: 16, lr: 1}}\n",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    runs = [run(name, (1, 2, 3), folder=tmp_path / name) for name in texts]
    assert differing_options(runs) == {"model": ["Baseline", "<Other>"], "model.width": ["8", "16"]}
    assert "<td class=text>&lt;Other&gt;</td>" in options_table(runs)
    assert options_table(runs[:1]) == ""
    solver = run("s", (1, 2, 3), folder=tmp_path / "s")  # a test alone has no config.yaml
    solver.about["parameters"] = 0
    assert options_table([solver, *runs]) == options_table(runs)


BOMB = (
    "[&a0 [0, {}]"
    + "".join(f", &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    + "]"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "while parsing"),
        ("x: 1\n" * 200_001, "too large"),
        ("".join(f"n{n}: 1\n" for n in range(5002)), "too many options"),
        ("trainer: {callbacks: " + BOMB + "}", "too many options"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_noted(text, message, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(text)
    assert options_of(tmp_path) == {}
    assert message in capsys.readouterr().err


def test_nothing_but_the_boxes_is_wider_than_a_narrow_screen():
    assert re.search(r"\bimg \{[^}]*max-width: 100%; height: auto", STYLE)
    assert "minmax(min(24rem, 100%), 1fr)" in STYLE
    fixed = re.findall(r"[\s;{](?:min-)?width: ([\d.]+)rem", STYLE)
    assert max(map(float, fixed), default=0) <= 10


def test_figures_of_runs_are_folded_and_named(tree):
    folds = tree.of("details")
    assert len(folds) == len(tree.of("summary")) == 2 + 2
    assert all("open" not in attributes for _, attributes, _ in folds)
    texts = [attributes["alt"] for _, attributes, around in tree.of("img") if "details" in around]
    assert texts == ["Energy, one", "Energy, <two>", "Movie, one", "Movie, <two>"]
    assert all(int(attributes["width"]) > 0 for _, attributes, _ in tree.of("img"))


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_text_is_readable_in_light_and_dark_mode():
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
    for mode in (light, dark.split("* {")[0]):
        named = dict(re.findall(r"--(\w+): (#\w+)", mode))
        named = {
            k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:]) for k, v in named.items()
        }
        assert {"text", "soft", "back", "line", "shade", "focus"} == named.keys()
        for text in ("text", "soft", "focus"):
            for back in ("back", "shade"):
                pair = sorted(luminance(named[name]) for name in (text, back))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (text, back)
    assert ":focus-visible { outline: 3px" in STYLE


# Pictures ---------------------------------------------------------------------------------------


def turbulence(times, size=32, enlarge=2):
    """Return frames of a field with noise at all points, drawn as a movie is."""
    noise = np.random.default_rng(0).standard_normal((times, size, size))
    frames = (255 * colour_map("RdBu_r")(0.5 + noise / 6)[..., :3]).round().astype(np.uint8)
    return frames.repeat(enlarge, axis=1).repeat(enlarge, axis=2)


def frames_of(picture):
    image = Image.open(io.BytesIO(picture.content))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append((np.asarray(image.convert("RGB")).astype(int), image.info["duration"]))
    return found


def test_a_movie_is_small_and_looks_the_same():
    whole = turbulence(100)
    content = gif(whole, milliseconds=80)
    picture = compressed(content, "gif")
    assert (picture.kind, picture.width, picture.height, picture.enlarged) == ("webp", 64, 64, 2)
    assert len(picture.content) < len(content) / 6
    found = frames_of(picture)
    assert len(found) == FRAMES
    assert {duration for _, duration in found} == {160}
    for number, (frame, _) in enumerate(found):
        assert frame.shape == (32, 32, 3)
        assert np.abs(frame - whole[2 * number, ::2, ::2]).max() <= 40
    assert len(np.unique(np.concatenate([f for f, _ in found]).reshape(-1, 3), axis=0)) <= COLOURS
    assert "class=points" in picture.element("a movie")


def test_a_movie_with_details_of_one_pixel_keeps_them():
    frames = turbulence(3)
    frames[1, 5, 5] = 0
    picture = compressed(gif(frames), "gif")
    assert picture.enlarged == 1
    assert frames_of(picture)[1][0].shape == (64, 64, 3)


def test_a_figure_is_small_and_looks_the_same():
    figure = sheet(8, 5)
    phases = np.arange(8) + np.linspace(0, 6, 200)[:, None]
    figure.subplots().plot(np.sin(phases), label="error")
    content = png(figure)
    picture = compressed(content, "png")
    assert len(picture.content) < len(content) / 2
    before = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)
    after = np.asarray(Image.open(io.BytesIO(picture.content)).convert("RGB")).astype(float)
    assert after.shape == before.shape == (picture.height, picture.width, 3)
    assert np.sqrt(((after - before) ** 2).mean()) < 8


def test_a_run_of_the_quickstart_takes_a_quarter_of_five_megabytes(tmp_path):
    figure = sheet(12, 4)
    for axes in figure.subplots(1, 3):
        axes.plot(np.random.default_rng(0).standard_normal((100, 4)).cumsum(0))
        axes.imshow(np.random.default_rng(1).standard_normal((8, 8)), extent=(0, 30, 0, 3))
    content = png(figure)
    for number in range(11):
        (tmp_path / f"figure_{number}.png").write_bytes(content)
    panels = np.concatenate([turbulence(100, 64)] * 2, axis=2)
    (tmp_path / "movie.gif").write_bytes(gif(panels))
    text = page([run("a", (1, 2, 3), folder=tmp_path)])
    assert text.count("<img") == 12
    assert len(text) < 1.25e6


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n damaged", b"GIF89a damaged", b""])
def test_what_is_no_picture_stays_as_it_is(content):
    picture = compressed(content, "png")
    assert (picture.content, picture.kind) == (content, "png")
    assert base64.b64encode(content).decode() in picture.element("damaged")


def test_a_picture_that_webp_would_enlarge_stays_as_it_is():
    file = io.BytesIO()
    Image.fromarray(np.indices((64, 64)).sum(0) % 2 == 1).save(file, format="PNG")
    picture = compressed(file.getvalue(), "png")
    assert (picture.content, picture.kind) == (file.getvalue(), "png")

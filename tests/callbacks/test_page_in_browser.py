"""The page of a comparison in a headless Chromium: what a reader sees and can do."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from callbacks.comparison.page import page
from callbacks.comparison.searches import Searched, Trial
from callbacks.diagnostics.compared import Run
from callbacks.plotting.levels import to_levels
from tests.callbacks.test_comparison import scores

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE, FRAMES = 16, 6


def run(name, factor, seed, folder):
    """Return a run of a method called by a letter, with curves of all panels, and fields."""
    rng = np.random.default_rng(seed)
    lead = 0.5 * np.arange(1, 41)
    error = factor * (0.01 + 2 * lead**2 / (30 + lead**2)) * (1 + 0.1 * rng.random((4, 1)))
    frames = rng.standard_normal((FRAMES, SIZE, SIZE))
    names = ("movie_lead_time", "movie_y", "movie_x")
    label = {"long_name": "relative vorticity", "units": "s-1", "limit": 3.0}
    found = scores(factor).drop_vars(["mse", "lead_time"])
    found = found.assign(
        mse=(("initial_condition", "lead_time"), error),
        stable=("initial_condition", np.array([True, True, True, factor < 1.5])),
        movie_forecast=(names, to_levels(frames, 3.0), label),
        movie_truth=(names, to_levels(frames[::-1], 3.0), label),
    ).assign_coords(
        lead_time=("lead_time", lead, {"units": "s"}),
        movie_lead_time=("movie_lead_time", lead[:FRAMES], {"units": "s"}),
    )
    about = {"method": name, "seed": seed, "parameters": 1000}
    own = {f"prediction of number {n}": 1e-5 * factor for n in range(9)}
    return Run(f"{name}-seed{seed}", found, about, folder, own)


def search():
    """Return a search of options, two of which have long names."""
    shares = {
        f"model.{'a_long_name_' * n}of_an_option": share for n, share in ((0, 0.75), (4, 0.25))
    }
    trials = [
        Trial(n, "complete", 0.1 * n, 200, dict.fromkeys(shares, "0.0123456789")) for n in range(3)
    ]
    command = f"emulate fit {' '.join(f'--{name}=0.0123456789' for name in shares)}"
    return Searched("b", "val/mse/lead_25", trials, shares, 0, command)


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium on this machine: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Return the address of a page of three methods with two seeds, one of a long name."""
    folder = tmp_path_factory.mktemp("page")
    methods = (("c", 1.0), ("a_method_with_a_rather_long_name", 2.0), ("b", 1.3))
    for name, factor in methods:
        for seed in (0, 1):
            (folder / f"{name}{seed}").mkdir()
            options = f"seed_everything: {seed}\nmodel: {{width: {factor}}}\n"
            (folder / f"{name}{seed}" / "config.yaml").write_text(options)
    runs = [
        run(n, f + seed / 10, seed, folder / f"{n}{seed}") for n, f in methods for seed in (0, 1)
    ]
    file = Path(folder / "page.html")
    file.write_text(page(runs, searches=[search()]), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Open the page at a width; at the end no error may be in the console, and no request made."""
    opened, wrong = [], []

    def start(width=1400, scheme="light"):
        view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        view.on("console", lambda message: wrong.append(message.text))
        view.on("pageerror", lambda error: wrong.append(str(error)))
        view.on("request", lambda request: requests.append(request.url))
        view.goto(address)
        view.locator(".fields[aria-busy=false]").wait_for()
        opened.append(view)
        return view

    requests = []
    yield start
    for view in opened:
        view.close()
    assert wrong == []
    assert all(url.startswith(("file:", "data:")) for url in requests)


CUT_OFF = """() => [...document.querySelectorAll("main, main *")].filter((one) => {
  const shown = one.getClientRects().length && getComputedStyle(one).display !== "inline";
  return shown && !one.closest(".scroll, svg, caption") && one.scrollWidth > one.clientWidth + 1;
}).map((one) => `${one.tagName}.${one.className}: ${one.scrollWidth} > ${one.clientWidth}`)"""
OUTSIDE = """() => [...document.querySelectorAll("main *")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && !one.closest(".scroll, caption") && box.right > innerWidth + 1;
}).map((one) => `${one.tagName}.${one.className}`)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 900, 400])
def test_nothing_is_cut_off(open_page, width, scheme):
    view = open_page(width, scheme)
    view.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert view.evaluate(CUT_OFF) == []
    assert view.evaluate(OUTSIDE) == []
    plots = view.locator(".uplot")
    assert plots.count() == view.locator(".canvas").count()
    assert all(plots.nth(n).bounding_box()["width"] <= width for n in range(plots.count()))


def names(view):
    return [text.partition(" (")[0] for text in view.locator("tbody th").all_inner_texts()][:3]


LONG = "a_method_with_a_rather_long_name"


@pytest.mark.parametrize("width", [1400, 400])
def test_rows_are_sorted_by_mouse_and_keyboard(open_page, width):
    view = open_page(width)
    heading = view.locator("table.sortable th", has_text="MSE at 25")
    assert names(view) == ["c", LONG, "b"]
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert names(view) == ["c", "b", LONG]
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert names(view) == [LONG, "b", "c"]
    first = view.locator("table.sortable th", has_text="run")
    first.locator("button").press("Space")
    assert names(view) == [LONG, "b", "c"]
    assert heading.get_attribute("aria-sort") == "none"


def picture(view, selector):
    return view.locator(selector).first.evaluate("(one) => one.toDataURL()")


def test_slider_moves_the_fields(open_page):
    view = open_page()
    slider, text = view.locator("#lead"), view.locator("#lead-text")
    assert text.inner_text() == "lead time 0.5 s"
    truth, forecast = (picture(view, f"[data-field='{n}']") for n in (0, 1))
    slider.press("ArrowRight")
    assert text.inner_text() == "lead time 1 s"
    assert slider.get_attribute("aria-valuetext") == "lead time 1 s"
    assert picture(view, "[data-field='0']") != truth
    assert picture(view, "[data-field='1']") != forecast
    slider.press("End")
    assert text.inner_text() == "lead time 3 s"
    assert picture(view, "[data-field='0']") == forecast  # its frames are reversed
    view.locator("#errors").check()
    assert view.locator(".fields figcaption").nth(1).inner_text() == "error of c"
    assert view.locator(".fields figcaption").nth(0).inner_text() == "truth"
    view.locator("#play").click()
    while slider.input_value() != "2":
        view.wait_for_timeout(50)
    view.locator("#play").click()
    assert view.locator("#play").inner_text() == "Play"


def test_colours_of_a_field_are_the_values(open_page):
    view = open_page()
    read = "(one) => [...one.getContext('2d').getImageData(3, 5, 1, 1).data.slice(0, 3)]"
    shown = view.locator("[data-field='1']").evaluate(read)
    frames = np.random.default_rng(0)
    frames.random((4, 1))
    level = int(to_levels(frames.standard_normal((FRAMES, SIZE, SIZE)), 3.0)[0, SIZE - 1 - 5, 3])
    blue_or_red = np.sign(shown[0] - shown[2])
    assert blue_or_red == np.sign(level - 128)


def test_curves_are_read_and_zoomed_by_keyboard(open_page):
    view = open_page()
    plot, output = view.locator(".canvas").first, view.locator("[data-plot='0'] output")
    whole = picture(view, "[data-plot='0'] canvas")
    plot.press("ArrowRight")
    # factors 1 and 1.1, times 0.01 + 2 x² / (30 + x²) at x = 0.5, times 1 to 1.1
    assert output.inner_text().startswith("lead time [s]: 0.5")
    value = float(output.inner_text().split("c: ")[1].split()[0])
    assert 1.05 * 0.0265 < value < 1.05 * 0.0265 * 1.1
    plot.press("+")
    assert picture(view, "[data-plot='0'] canvas") != whole
    plot.press("0")
    for _ in range(40):
        plot.press("ArrowRight")
    assert output.inner_text().startswith("lead time [s]: 20")  # the last one


def test_curves_are_zoomed_by_mouse_and_buttons(open_page):
    view = open_page()
    whole = picture(view, "[data-plot='0'] canvas")
    area = view.locator("[data-plot='0'] .u-over")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    middle = box["y"] + box["height"] / 2
    view.mouse.move(box["x"] + 0.2 * box["width"], middle)
    view.mouse.down()
    view.mouse.move(box["x"] + 0.4 * box["width"], middle, steps=5)
    view.mouse.up()
    assert picture(view, "[data-plot='0'] canvas") != whole
    view.mouse.move(0, 0)
    view.locator("[data-plot='0'] [data-do=all]").click()
    view.locator("[data-plot='0'] [data-do=log]").uncheck()
    linear = picture(view, "[data-plot='0'] canvas")
    view.locator("[data-plot='0'] [data-do=in]").click()
    assert picture(view, "[data-plot='0'] canvas") != linear


RECORD_TEXTS = """() => {
  const draw = CanvasRenderingContext2D.prototype.fillText;
  window.texts = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    window.texts.push([text, Math.round(x), Math.round(y)]);
    return draw.apply(this, arguments);
  };
}"""


@pytest.mark.parametrize("log", [True, False])
def test_ticks_of_an_axis_have_different_labels_at_every_zoom(open_page, log):
    view = open_page()
    plot = view.locator(".canvas").first
    view.locator("[data-plot='0'] [data-do=log]").set_checked(log)
    for _ in range(21):
        plot.press("ArrowRight")
    view.evaluate(RECORD_TEXTS)
    for _ in range(7):  # to a range of a few hundredths of the first one
        view.evaluate("() => { window.texts = []; }")
        plot.press("+")
        view.wait_for_function("() => window.texts.length > 4")
        texts = view.evaluate("() => window.texts")
        for place in (1, 2):  # labels of y are above each other, labels of x side by side
            axes = {}
            for text in texts:
                axes.setdefault(text[place], []).append(text[0])
            labels = max(axes.values(), key=len)
            assert len(labels) >= 2
            assert len(set(labels)) == len(labels), labels
            assert all(np.isfinite(float(label.replace("\u2212", "-"))) for label in labels)


def test_methods_and_spreads_are_switched_on_and_off(open_page):
    view = open_page()
    output = view.locator("[data-plot='0'] output")
    shown = picture(view, "[data-plot='0'] canvas")
    view.locator("[data-spread='seeds']").uncheck()
    without = picture(view, "[data-plot='0'] canvas")
    assert without != shown
    view.locator("[data-spread='initial conditions']").check()
    assert picture(view, "[data-plot='0'] canvas") not in (without, shown)
    view.locator("[data-method='1']").press("Space")
    view.locator(".canvas").first.press("ArrowRight")
    assert "c: " in output.inner_text()
    assert LONG not in output.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_are_as_long_as_the_importances(open_page, scheme):
    view = open_page(1400, scheme)
    bars = view.locator(".bars span")
    long, short = (bars.nth(n).bounding_box()["width"] for n in (0, 1))
    assert long == pytest.approx(3 * short, abs=1)  # 75 % and 25 %
    assert view.locator(".bars tr").nth(1).inner_text().split()[-2:] == ["25", "%"]
    colour, behind = view.evaluate(
        "[getComputedStyle(document.querySelector('.bars span')).backgroundColor,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    assert colour != behind

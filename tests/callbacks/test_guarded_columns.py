"""Columns and panels of a user's diagnostic that fail: empty cells, and a sentence for each."""

import xarray

from callbacks import Column, Panel, RolloutDiagnostic
from callbacks.comparison.figures import draw_climate
from callbacks.comparison.found_diagnostics import columns_of, note
from callbacks.comparison.table import cells, columns, table_csv
from callbacks.diagnostics.compared import Run


class Own(RolloutDiagnostic):
    """A diagnostic of the user, whose columns and panels a test chooses."""

    listed = ()

    def begin(self, start): ...

    def observe(self, lead, forecast, truth): ...

    def scores(self):
        return xarray.Dataset()

    @classmethod
    def columns(cls):
        return cls.listed

    @classmethod
    def panels(cls):
        return cls.listed


def runs(folder, *names):
    scores = xarray.Dataset({"depth": ("initial_condition", [2.0, 4.0])})
    return [Run(name, scores, {}, folder, diagnostics=(Own,)) for name in names]


def spoiled(run):
    raise KeyError(f"width of {run.scores.attrs.get('a', 'all')}")


def test_column_that_raises_is_empty_and_named_once(tmp_path, monkeypatch, capsys):
    note.cache_clear()
    monkeypatch.setattr(Own, "listed", [Column("broken", spoiled), Column("depth", depth)])
    given = runs(tmp_path, "a", "b")
    header, first, second = cells(given)
    assert header[2:] == ["broken", "depth"]
    assert (first[2:], second[2:]) == (["-", "3"], ["-", "3"])
    assert table_csv(given).splitlines()[1] == "a,a,,,3.0"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in ("Own", "'broken'", "KeyError", "width of all"):
        assert word in said


def depth(run):
    return run.mean("depth")


def test_column_that_fails_for_one_run_keeps_the_others(tmp_path, monkeypatch, capsys):
    note.cache_clear()
    given = runs(tmp_path, "a", "b")
    monkeypatch.setattr(Own, "listed", [Column("half", lambda run: {"a": 0.5}[run.name])])
    assert [row[2] for row in cells(given)] == ["half", "0.5", "-"]
    assert "KeyError: 'b'" in capsys.readouterr().err


def test_cells_that_hold_no_number_are_empty(tmp_path, monkeypatch, capsys):
    note.cache_clear()
    monkeypatch.setattr(
        Own,
        "listed",
        [
            Column("words", lambda run: "wide"),
            Column("whole", depth, "{:d}"),
            Column("spread", depth, spread=spoiled),
        ],
    )
    assert [row[2:] for row in cells(runs(tmp_path, "a"))][1] == ["-", "-", "3"]
    said = capsys.readouterr().err
    for word in ("'words'", "wide", "'whole'", "format code 'd'", "'spread'"):
        assert word in said


def test_unit_that_a_column_cannot_take_leaves_it_as_it_is(tmp_path, monkeypatch, capsys):
    note.cache_clear()
    monkeypatch.setattr(Own, "listed", [Column("depth", depth, in_unit=lambda unit: {}[unit])])
    (column,) = columns(runs(tmp_path, "a"), 7.0)
    assert column.heading == "depth"
    assert "Own: column 'depth' cannot change its unit: KeyError: 7.0" in capsys.readouterr().err


def test_lists_of_something_else_are_left_out(tmp_path, monkeypatch, capsys):
    note.cache_clear()
    monkeypatch.setattr(Own, "listed", [("depth", depth)])
    assert columns_of(Own) is None
    assert [axes.get_title() for axes in draw_climate(runs(tmp_path, "a")).axes] == ["", ""]
    said = capsys.readouterr().err
    assert "Own.columns is left out: TypeError" in said
    assert "expected a Column" in said
    assert "Own.panels is left out: TypeError" in said
    monkeypatch.setattr(Own, "listed", [Panel(lambda *_: spoiled(runs(tmp_path, "a")[0]))])
    draw_climate(runs(tmp_path, "a"))
    assert "cannot be drawn: KeyError" in capsys.readouterr().err

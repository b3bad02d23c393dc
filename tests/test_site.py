"""Documentation site: what its pages and entries name exists, and nothing is left out."""

import ast
import importlib
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import callbacks.metrics

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "callbacks",
    "callbacks.comparison",
    "datamodules",
    "datamodules.solvers",
    "datamodules.solvers.finite_volume",
    "datamodules.solvers.implicit",
    "datamodules.solvers.infiltration",
    "emulators",
    "emulators.learned",
)


def module_of_docs(name):
    """Return a module of the folder of pages, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


site = module_of_docs("site_pages")
SITE = yaml.safe_load((ROOT / "docs/mkdocs.yml").read_text())
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / "docs").rglob("*.md"),
]
NOTEBOOKS = sorted(ROOT.glob(site.NOTEBOOKS))
DESCRIBED = r"- \[`([\w.]+)`\]\([^)]*\): (.+)$"
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def thing(name):
    """Return the object that a dotted name denotes."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def exported():
    """Return the names that packages export, and the public functions of the metrics."""
    names = {
        f"{package}.{name}"
        for package in PACKAGES
        for name in importlib.import_module(package).__all__
    }
    for info in pkgutil.iter_modules(callbacks.metrics.__path__, "callbacks.metrics."):
        members = vars(importlib.import_module(info.name)).items()
        names |= {
            f"{info.name}.{name}"
            for name, member in members
            if getattr(member, "__module__", "") == info.name and not name.startswith("_")
        }
    return names


def test_packages_are_all_that_export_names():
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ("callbacks", "datamodules", "emulators")
        for path in (ROOT / room).rglob("__init__.py")
        if "__all__" in path.read_text()
    }
    assert found == set(PACKAGES)


def test_api_has_an_entry_for_everything_that_is_exported():
    documented = {id(thing(name)) for name in site.entries()}
    missing = sorted(name for name in exported() if id(thing(name)) not in documented)
    assert not missing, f"exported, and on no page of docs/api: {missing}"


def test_entries_link_to_the_files_that_define_them():
    for name, path in site.entries().items():
        definition = rf"^(class |def |){name.rpartition('.')[2]}( = |\b[(:\[])"
        assert re.search(definition, path.read_text(), re.MULTILINE), f"{name} is not in {path}"


def test_no_entry_is_written_in_another_form():
    for page in (ROOT / "docs/api").glob("*.md"):
        items = [line for line in page.read_text().splitlines() if line.startswith("- ")]
        assert len(items) == len(site.ENTRY.findall(page.read_text())), page.name


def first_line(name, path):
    """Return the first line of the docstring of a class, function or constant in a file."""
    body = ast.parse(path.read_text()).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        match node, after:
            case (ast.ClassDef() | ast.FunctionDef(), _) if node.name == name:
                return ast.get_docstring(node).splitlines()[0]
            case ast.Assign(targets=[ast.Name(id=one)]), ast.Expr(ast.Constant(str(text))):
                if one == name:
                    return text.splitlines()[0]
    raise AssertionError(f"{path} does not define {name} with a docstring")


def test_entries_are_described_by_the_first_line_of_their_docstring():
    entries = site.entries()
    lines = "\n".join(page.read_text() for page in (ROOT / "docs/api").glob("*.md")).splitlines()
    described = {found[1]: found[2] for line in lines if (found := re.match(DESCRIBED, line))}
    assert described.keys() == entries.keys()
    for name, path in entries.items():
        assert described[name] == first_line(name.rpartition(".")[2], path), name


def test_entry_becomes_the_documentation_of_its_object():
    entry = "- [`emulators.UNet`](../../emulators/networks/unet.py): U-Net.\n"
    page = f"# A\n\n{entry}- [more](x.md)\n"
    assert site.on_page_markdown(page) == "# A\n\n\n::: emulators.UNet\n\n- [more](x.md)\n"


def test_documented_name_in_the_text_becomes_a_link():
    unet = '<autoref identifier="emulators.UNet" optional><code>UNet</code></autoref>'
    assert site.on_page_content("<p>A <code>UNet</code>.</p>") == f"<p>A {unet}.</p>"


@pytest.mark.parametrize(
    "html",
    [
        '<a href="x">a <code>UNet</code></a>',
        "<h2>The <code>UNet</code></h2>",
        "<pre><code>UNet</code></pre>",
        "<p><code>unheard_of</code></p>",
    ],
)
def test_other_code_does_not(html):
    assert site.on_page_content(html) == html


def test_name_of_two_objects_does_not_become_a_link(monkeypatch):
    names = [*site.entries(), "another.UNet"]
    monkeypatch.setattr(site, "entries", lambda: names)
    assert site.on_page_content("<code>UNet</code>") == "<code>UNet</code>"


@pytest.fixture
def style(monkeypatch):
    """Return the extension of griffe, without griffe."""
    monkeypatch.setitem(sys.modules, "griffe", SimpleNamespace(Extension=object, Object=object))
    return module_of_docs("site_docstrings").HouseStyle()


def test_shape_with_an_asterisk_is_no_product(style):
    text = 'def f(u: Float[Tensor, "batch *space"] | None, v: Int[Tensor, "batch"]): pass'
    tree = ast.parse(text)
    style.on_node(node=tree.body[0])
    assert ast.unparse(tree.body[0].args) == (
        "u: Float[Tensor, ' batch *space'] | None, v: Int[Tensor, 'batch']"
    )


def test_example_is_a_section_of_examples(style):
    docstring = SimpleNamespace(value="Sum.\n\nExample:\n    >>> 1 + 1\n    2\n\nExample: none.")
    style.on_object(obj=SimpleNamespace(docstring=docstring))
    assert docstring.value == "Sum.\n\nExamples:\n    >>> 1 + 1\n    2\n\nExample: none."


def test_object_without_a_docstring_stays_as_it_is(style):
    style.on_object(obj=SimpleNamespace(docstring=None))


def named(entry):
    """Return the pages that an entry of the navigation names."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in named(part)]


def test_every_page_is_in_the_navigation_once():
    pages = [page for page in named(SITE["nav"]) if not page.startswith("benchmarks/")]
    shown = [*PAGES, *(notebook.with_suffix(".md") for notebook in NOTEBOOKS)]
    assert sorted(pages) == sorted(str(page.relative_to(ROOT)) for page in shown)


def test_site_shows_the_version_and_the_repository_of_the_project(tmp_path, monkeypatch):
    text = '[project]\nversion = "1.2"\n[project.urls]\nRepository = "https://a.org/b"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setattr(site, "ROOT", tmp_path)
    config = site.on_config(SimpleNamespace(copyright="Ours."))
    assert (config.copyright, config.repo_url) == ("Version 1.2. Ours.", "https://a.org/b")


def test_navigation_names_only_pages_of_the_site():
    shown = {path for pattern in site.PAGES for path in ROOT.glob(pattern)}
    shown |= {notebook.with_suffix(".md") for notebook in NOTEBOOKS}
    assert {ROOT / page for page in named(SITE["nav"])} <= shown


def test_notebook_becomes_a_page_with_its_outputs():
    output = {"output_type": "stream", "text": ["2\n"]}
    figure = {"output_type": "display_data", "data": {"image/png": "AAAA"}}
    code = {"cell_type": "code", "source": ["1 +", " 1"], "outputs": [output, figure]}
    page = site.page_of({"cells": [{"cell_type": "markdown", "source": ["# A"]}, code]})
    assert page == (
        "# A\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n![figure](data:image/png;base64,AAAA)\n"
    )
    assert site.on_page_markdown("[a](notebooks/a.ipynb)") == "[a](notebooks/a.md)"


def anchors(text):
    """Return the anchors that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        assert not anchor or anchor in anchors(target.read_text()), f"{page.name}: {path}#{anchor}"

"""Hook of MkDocs: the pages of the repository with its links, and the entries of the API.

Pages keep their paths in the repository, so that a link between two of them is right both on GitHub
and on the site. An item of a list such as ``- [`emulators.L2`](../../emulators/training/losses.py):
Mean squared difference`` links to the source on GitHub, with the first line of the docstring, and
becomes the documentation of the class on the site. A notebook becomes a page with its outputs.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff"),
    *("docs/*.md", "docs/*.png", "docs/*.svg", "docs/*.gif", "docs/*.css", "docs/api/*.md"),
    *("benchmarks/*.md", "benchmarks/results/*.md"),
)
NOTEBOOKS = "docs/notebooks/*.ipynb"
ENTRY = re.compile(r"^- \[`([\w.]+)`\]\((\.\./[\w./]+\.py)\): .+$", re.MULTILINE)

CODE = re.compile(r"<(a|pre|h\d|autoref)\b.*?</\1>|<code>(?P<name>\w+)</code>", re.DOTALL)


def entries() -> dict[str, Path]:
    """Return the names that the pages of the API document, with the files that they link to."""
    pages = sorted((ROOT / "docs/api").glob("*.md"))
    found = [(page, *entry) for page in pages for entry in ENTRY.findall(page.read_text())]
    return {name: (page.parent / path).resolve() for page, name, path in found}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Return the configuration with the version, and the repository if the project names one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    config.copyright = f"Version {project['version']}. {config.copyright}"
    if "Repository" in project.get("urls", {}):
        config.repo_url, config.repo_name = project["urls"]["Repository"], "Repository"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the pages of the repository in place of the files in `docs_dir`."""
    from mkdocs.structure.files import File  # a test reads this module without MkDocs

    for file in files.documentation_pages():
        files.remove(file)
    for path in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        file = File(name, str(ROOT), config.site_dir, config.use_directory_urls)
        file.dest_uri = file.dest_uri.removeprefix("docs/")
        files.append(file)
    for path in sorted(ROOT.glob(NOTEBOOKS)):
        name = path.relative_to(ROOT).with_suffix(".md").as_posix()
        file = File.generated(config, name, content=page_of(json.loads(path.read_text())))
        file.dest_uri = file.dest_uri.removeprefix("docs/")
        files.append(file)
    return files


def page_of(notebook: dict[str, Any]) -> str:
    """Return a notebook as a page: text, code, and what the code printed and drew."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream":
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            else:
                parts.append(f"![figure](data:image/png;base64,{output['data']['image/png']})")
    return "\n\n".join(parts) + "\n"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page with each entry of the API replaced by its documentation."""
    markdown = re.sub(r"(notebooks/\w+)\.ipynb\)", r"\1.md)", markdown)
    return ENTRY.sub(r"\n::: \1\n", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Return a page on which a documented name in the text links to its documentation.

    Names that several entries share stay as they are, and so does code within
    links, headings and blocks.
    """
    names = Counter(name.rpartition(".")[2] for name in entries())
    targets = {name.rpartition(".")[2]: name for name in entries()}

    def link(found: re.Match) -> str:
        name = found["name"]
        if names[name] != 1:
            return found[0]
        return f'<autoref identifier="{targets[name]}" optional>{found[0]}</autoref>'

    return CODE.sub(link, html)

"""How the documentation turns notebooks into pages: run from top to bottom, with figures that stay alive offline.

MkDocs calls what begins with ``on_`` (see mkdocs.yml). A notebook is run once and kept in runs/pages under a
checksum of itself and of everything that nagkit is made of, so that the next build runs only what has changed.
"""

import fnmatch
import hashlib
import os
import posixpath
import re
import tempfile
from functools import cache
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from plotly.offline import get_plotlyjs

from nagkit.report import WIDGET, illustrated

HERE = Path(__file__).parent
CHECKOUT = HERE.parent
KEPT = CHECKOUT / "runs" / "pages"
PLOTLY_FILE = "plotly.min.js"  # one for all pages
LINK = re.compile(r"\[([^\]]*)\]\(([^)#:]+\.ipynb)(#[^)]*)?\)")
ALONE = "---\nhide: [navigation]\n---"  # a page without others beside it needs no list of them
DIALOG = 'data-md-component="search" role="dialog"'
CONTROLS = (
    '!!! note "Live controls"\n\n'
    "    Here is something to press and to drag, which needs Python behind it: in JupyterLab it works.\n"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The order of the pages; those of a folder are sorted by their file names."""
    config.nav = [{"Start": "index.md"}, {"Gallery": "gallery.md"}]
    for title in ("Lessons", "Guides", "Reference"):
        folder = HERE / title.lower()
        names = {f"{folder.name}/{path.stem}.md" for kind in ("ipynb", "md") for path in folder.glob(f"*.{kind}")}
        pages = sorted(names, key=lambda name: (not name.endswith("/index.md"), name))
        config.nav += [{title: pages}] if pages else []
    config.nav.append({"Claims": "claims.md"})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Every notebook that is a page, as Markdown, and plotly.js beside them."""
    names = [path.relative_to(HERE).as_posix() for path in notebooks()]
    for name in names:
        notebook = nbformat.read(HERE / name, 4)
        if fnmatch.fnmatch(name, config.extra["execute"]):
            notebook = executed(name, notebook)
        files.append(File.generated(config, name.replace(".ipynb", ".md"), content=markdown(name, notebook, names)))
    files.append(File.generated(config, PLOTLY_FILE, content=get_plotlyjs()))
    return files


def on_post_page(output: str, **_: object) -> str:
    """The page, with the name that the theme forgets to give to its dialog of search."""
    return output.replace(DIALOG, f'{DIALOG} aria-label="Search"')


def notebooks() -> list[Path]:
    """The gallery, the lessons, the guides and the ledger of claims."""
    many = [path for folder in ("lessons", "guides") for path in sorted(HERE.glob(f"{folder}/*.ipynb"))]
    return [HERE / "gallery.ipynb", *many, HERE / "claims.ipynb"]


# ---------------------------------------------------------------------------------------------------------- running


def executed(name: str, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with its results, made now or kept from an earlier build."""
    import nbclient

    kept = KEPT / f"{hashlib.sha256((sources() + nbformat.writes(notebook)).encode()).hexdigest()}.ipynb"
    if kept.is_file():
        return nbformat.read(kept, 4)
    os.environ["NAGKIT_HEADLESS"] = "1"
    with tempfile.TemporaryDirectory() as folder:  # what a notebook writes does not stay
        client = nbclient.NotebookClient(
            notebook,
            timeout=600,
            store_widget_state=False,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # its routine messages would look like trouble
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as fault:
            raise PluginError(f"notebooks/{name} stopped: {fault}") from None
    KEPT.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


@cache
def sources() -> str:
    """A checksum of what the results of a notebook may depend on."""
    found = hashlib.sha256()
    for part in ("nagkit", "widgets", "data"):
        for path in sorted((CHECKOUT / part).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


# ---------------------------------------------------------------------------------------------------------- writing


def markdown(name: str, notebook: nbformat.NotebookNode, pages: list[str]) -> str:
    """The page of a notebook: its heading, how to open it, its texts, code and results."""
    live = [any(WIDGET in output.get("data", {}) for output in cell.get("outputs", [])) for cell in notebook.cells]
    notebook, figures = illustrated(notebook)
    first, *rest = notebook.cells
    heading, _, text = first.source.partition("\n")
    up = posixpath.relpath(PLOTLY_FILE, posixpath.dirname(name) or ".")
    parts = [ALONE] * ("/" not in name) + [heading, _opening(name)]
    parts += [f'<script src="{up}"></script>'] * bool(figures) + [_linked(name, text, pages)]
    for place, cell in enumerate(rest, 1):
        if cell.cell_type == "markdown":
            parts.append(_linked(name, cell.source, pages))
        elif cell.cell_type == "code":
            parts.append(f"~~~~python\n{cell.source}\n~~~~")
            parts += [_result(output) for output in cell.outputs] + [CONTROLS] * live[place]
    return "\n\n".join(parts) + "\n"


def _opening(name: str) -> str:
    return (
        f'!!! tip "A notebook"\n\n    This page is `notebooks/{name}`, run from top to bottom. '
        "`make studio` opens JupyterLab, where you can run and change it.\n"
    )


def _linked(name: str, text: str, pages: list[str]) -> str:
    """The text with links to notebooks as links to their pages; of those that have none, the place."""

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[2]))
        if target in pages:
            return f"[{found[1]}]({found[2].removesuffix('ipynb')}md{found[3] or ''})"
        return f"{found[1]} (`notebooks/{target}`)"

    return LINK.sub(link, text)


def _result(output: nbformat.NotebookNode) -> str:
    """One result in Markdown."""
    if output.output_type == "stream":
        return f"~~~~text\n{output.text.rstrip()}\n~~~~" if output.name == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:
        html = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        html = re.sub(r"\n\s*\n", "\n", html.replace('<table border="1" class="dataframe">', "<table>"))
        html = html.replace("<th></th>", "<td></td>")  # a corner is no heading
        return f'<div class="wide" tabindex="0">{html}</div>' if "<table>" in html else html
    if "text/markdown" in data:
        return data["text/markdown"]
    if "image/png" in data:
        return f'<img src="data:image/png;base64,{data["image/png"].strip()}" alt="{data.get("text/plain", "")}">'
    return f"~~~~text\n{data['text/plain']}\n~~~~" if "text/plain" in data else ""

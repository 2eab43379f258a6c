"""Full MNIST: a folder, a download from this machine only, and every way in which a file can be wrong."""

import hashlib
import http.server
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from course_lib.data import digits_8x8, mnist, mnist_5k, mnist_archive, toy_density


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Of MNIST's shapes, nearly empty so that they pack small."""
    made = {name: np.zeros(shape, np.uint8) for name, shape in mnist_archive.ARRAYS.items()}
    made["x_train"][:, 3, 3], made["y_train"][:], made["x_test"][0, 0, 0] = 255, np.arange(60000) % 10, seed + 1
    return made


def content(made: dict[str, np.ndarray]) -> str:
    return hashlib.sha256(b"".join(made[name].tobytes() for name in mnist_archive.ARRAYS)).hexdigest()


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("packed") / "mnist.npz"
    np.savez_compressed(file, **arrays())
    return file.read_bytes()


@pytest.fixture(autouse=True)
def lonely(monkeypatch, tmp_path, packed):
    """No folder, an empty cache, and stand-in arrays in place of MNIST's."""
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist_archive, "CONTENT_SHA256", content(arrays()))
    monkeypatch.setattr(mnist_archive, "FILE_SHA256", hashlib.sha256(packed).hexdigest())
    monkeypatch.setattr(mnist_archive, "MIRRORS", ())


@pytest.fixture
def serve(monkeypatch):
    """`serve(answer, …)`: one mirror on 127.0.0.1 for each answer, which is bytes, a status, or bytes cut short."""
    servers, asked = [], []

    def start(*answers):
        for answer in answers:

            class Handler(http.server.BaseHTTPRequestHandler):
                said = answer

                def do_GET(self):
                    asked.append(self.server.server_port)
                    if isinstance(self.said, int):
                        self.send_error(self.said)
                        return
                    body, promised = self.said if isinstance(self.said, tuple) else (self.said, len(self.said))
                    self.send_response(200)
                    self.send_header("Content-Length", str(promised))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *args):
                    pass

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
        urls = tuple(f"http://127.0.0.1:{s.server_port}/mnist.npz" for s in servers)
        monkeypatch.setattr(mnist_archive, "MIRRORS", urls)
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "data" / "mnist.npz"


def put(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file.parent


def test_nothing_touches_the_network_unless_asked(monkeypatch, tmp_path, packed):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    digits_8x8()
    mnist_5k()
    toy_density("ring")
    with pytest.raises(FileNotFoundError):
        mnist()
    assert mnist(put(tmp_path / "here" / "mnist.npz", packed)).name == "MNIST"
    monkeypatch.setattr(mnist_archive, "MIRRORS", ("http://127.0.0.1:9/mnist.npz",))
    with pytest.raises(AssertionError, match="touched"):  # negative control: asked, it does try
        mnist(download=True)


def test_a_folder_gives_the_three_parts(tmp_path, packed):
    data = mnist(put(tmp_path / "mnist.npz", packed))
    assert [len(p.labels) for p in (data.train, data.valid, data.test)] == [50000, 10000, 10000]
    assert data.train.images.dtype == np.float32
    assert data.train.images.max() == 1.0
    assert data.valid.labels.dtype == np.int32
    assert data.valid.labels[0] == 50000 % 10


def test_the_environment_variable_names_a_folder(monkeypatch, tmp_path, packed):
    monkeypatch.setenv("COURSE_DATA_DIR", str(put(tmp_path / "elsewhere" / "mnist.npz", packed)))
    assert len(mnist().test.images) == 10000


def test_offline_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_archive, "MIRRORS", ("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))
    with pytest.raises(FileNotFoundError, match=r"download=True.*http://127.0.0.1:9/a.*COURSE_DATA_DIR.*mnist_5k"):
        mnist()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        mnist(tmp_path / "nowhere")
    with pytest.raises(ConnectionError, match=r"COURSE_DATA_DIR(?s:.*)9/a: ConnectionError(?s:.*)9/b: Conn"):
        mnist(download=True)
    assert not cached(tmp_path).exists()


def test_a_download_is_kept_and_not_repeated(serve, tmp_path, packed):
    asked = serve(packed)
    assert mnist(download=True).train.images.max() == 1.0
    assert cached(tmp_path).read_bytes() == packed
    mnist(download=True)
    mnist()
    assert len(asked) == 1


def test_a_download_into_a_chosen_folder(serve, tmp_path, packed):
    serve(packed)
    mnist(tmp_path / "chosen", download=True)
    assert (tmp_path / "chosen" / "mnist.npz").is_file()
    assert not cached(tmp_path).exists()


def test_mirrors_are_tried_in_turn(serve, packed):
    asked = serve(404, packed[:1000], (packed[:5000], len(packed)), b"<html>Log in</html>", packed)
    assert len(mnist(download=True).test.labels) == 10000
    assert len(asked) == len(set(asked)) == 5


@pytest.mark.parametrize("cut", ["short of its promise", "short but consistent", "other content"])
def test_an_interrupted_or_wrong_download_leaves_nothing(cut, serve, tmp_path, packed):
    other = bytearray(packed)
    other[-30] ^= 1
    answers = {
        "short of its promise": (packed[:5000], len(packed)),
        "short but consistent": packed[:5000],
        "other content": bytes(other),
    }
    serve(answers[cut])
    with pytest.raises(ConnectionError, match="No mirror"):
        mnist(download=True)
    assert list((tmp_path / "cache" / "data").iterdir()) == []


def test_a_keyboard_interrupt_leaves_nothing(serve, tmp_path, packed, monkeypatch):
    import pooch

    def interrupted(self, url, output_file, *args, **kwargs):
        Path(output_file).write_bytes(packed[:100])
        raise KeyboardInterrupt

    serve(packed)
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist(download=True)
    assert list((tmp_path / "cache" / "data").iterdir()) == []


def test_a_broken_earlier_download_is_refused_and_replaced_when_asked(serve, tmp_path, packed):
    put(cached(tmp_path), packed[:2000])
    with pytest.raises(ValueError, match="damaged"):
        mnist()
    serve(packed)
    mnist(download=True)
    assert cached(tmp_path).read_bytes() == packed


def test_a_learner_s_own_file_is_never_overwritten(serve, tmp_path, packed, monkeypatch):
    asked = serve(packed)
    folder = put(tmp_path / "own" / "mnist.npz", packed[:2000])
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    for call in (lambda: mnist(folder, download=True), lambda: mnist(download=True)):
        with pytest.raises(ValueError, match="damaged"):
            call()
    assert (folder / "mnist.npz").read_bytes() == packed[:2000]
    assert asked == []


def flipped(packed: bytes) -> bytes:
    """One bit changed in the middle of the packed images."""
    changed = bytearray(packed)
    changed[len(packed) // 2] ^= 4
    return bytes(changed)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda p: p[:-1],
        lambda p: p[: len(p) // 2],
        lambda p: b"",
        lambda p: b"<html></html>",
        flipped,
        lambda p: p[10:],
    ],
    ids=["a byte short", "half", "empty", "a web page", "a flipped bit", "no head"],
)
def test_a_damaged_file_is_refused(break_it, tmp_path, packed):
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged.*Delete it.*COURSE_DATA_DIR"):
        mnist(put(tmp_path / "mnist.npz", break_it(packed)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": np.zeros((50000, 28, 28), np.uint8)}, r"x_train is uint8 of shape \(50000, 28, 28\)"),
        ({"y_test": np.zeros(10000, np.int64)}, "y_test is int64"),
        ({"x_test": np.ones((10000, 28, 28), np.uint8)}, "checksum differs"),
        ({"y_train": None}, "damaged"),
    ],
)
def test_other_arrays_are_refused(change, message, tmp_path):
    made = {k: v for k, v in (arrays() | change).items() if v is not None}
    np.savez_compressed(tmp_path / "mnist.npz", **made)
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path)


def test_a_pickle_is_never_loaded(tmp_path):
    made = arrays() | {"y_test": np.array([{"a": 1}], dtype=object)}
    np.savez_compressed(tmp_path / "mnist.npz", allow_pickle=True, **made)
    with pytest.raises(ValueError, match="damaged"):
        mnist(tmp_path)


def test_the_real_file_has_the_known_content(shared_data, monkeypatch):
    monkeypatch.undo()
    data = mnist(shared_data)
    assert data.train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]

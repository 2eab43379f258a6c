"""Serve the built website on this machine: `python -m tools.serve_book [--port 8000]`."""

import argparse
import functools
import http.server
import sys
from pathlib import Path
from typing import Any

from course_lib.command import run_command

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "book" / "html"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder; an unknown address gets the site's 404 page, as on a real server. Says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return None


def server(folder: Path = SITE, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server for this machine alone; port 0 takes any free one."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(folder)))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.serve_book", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--port", type=int, default=8000, help="the port; the next free one is taken if it is in use")
    port = parser.parse_args(arguments).port
    if not 0 <= port <= 65535:
        parser.error(f"--port is {port}; expected a number from 0 (any free port) to 65535.")
    if not (SITE / "index.html").is_file():
        print("There is no website yet: run `make book`.", file=sys.stderr)
        return 1
    try:
        service = server(port=port)
    except OSError:
        service = server()
    print(f"The course is at http://127.0.0.1:{service.server_port}/ (stop with Ctrl+C)", flush=True)
    try:
        service.serve_forever()
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


if __name__ == "__main__":
    run_command(main)

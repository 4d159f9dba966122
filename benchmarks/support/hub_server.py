"""A small hub on this machine, over real HTTP, speaking what the ModelScope and Hugging Face clients ask; with faults
on demand.

    with Hub({"iic/ms_agent": {"train.jsonl": b"..."}}) as hub:
        env = hub.env(tmp_path)
        hub.fault("train.jsonl", "drop")      # the first answer breaks off midway, the next is whole

Faults: drop (connection closed midway), truncate (a shorter file under a shorter length), 500, slow, wrong (another
content), listing-500. Each is given a number of times that it happens; -1 is always.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `datasets`: id -> file name -> bytes. `requests` holds what was asked, `sent` the bytes that went out."""

    def __init__(self, datasets: Mapping[str, Mapping[str, bytes]]) -> None:
        self.datasets = datasets
        self.faults: dict[str, list[Any]] = {}
        self.requests: list[str] = []
        self.sent = 0
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, name: str, kind: str, times: int = 1) -> None:
        self.faults[name] = [kind, times]

    def take_fault(self, name: str) -> str:
        kind, left = self.faults.get(name, ("", 0))
        if left == 0:
            return ""
        self.faults[name][1] = left - 1 if left > 0 else left
        return kind

    def env(self, cache: Path) -> dict[str, str]:
        """What points both clients here, with an own cache and little patience."""
        return {
            "MODELSCOPE_ENDPOINT": self.url,
            "MODELSCOPE_CACHE": str(cache / "ms"),
            "MODELSCOPE_HOME": str(cache / "mshome"),
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(cache / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that gives up is part of the game


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        url = urlparse(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        path = unquote(url.path)
        for pattern, answer in (
            (r"/api/v1/datasets/([^/]+/[^/]+)/repo/tree", self.tree),
            (r"/api/v1/datasets/([^/]+/[^/]+)/repo", self.blob),
            (r"/api/datasets/([^/]+/[^/]+)(?:/revision/.*)?", self.hf_info),
            (r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.hf_blob),
        ):
            found = re.fullmatch(pattern, path)
            if found:
                files = self.hub.datasets.get(found.group(1))
                if files is None:
                    return self.json(
                        {"Code": 10010205001, "Success": False, "Message": "not found"},
                        404,
                        {"X-Error-Code": "RepoNotFound"},
                    )
                return answer(files, query, *found.groups())
        return self.json({"Code": 404, "Success": False, "Message": "no such page"}, 404)

    def json(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def tree(self, files: Mapping[str, bytes], query: Mapping[str, str], *_: str) -> None:
        if self.hub.take_fault("listing") == "500":
            return self.json({"Code": 500, "Success": False, "Message": "down"}, 500)
        page = [
            {
                "Name": name.rsplit("/", 1)[-1],
                "Path": name,
                "Type": "blob",
                "Size": len(data),
                "Sha256": hashlib.sha256(data).hexdigest(),
                "Revision": COMMIT,
                "Mode": "33188",
                "IsLFS": True,
            }
            for name, data in files.items()
        ]
        if query.get("PageNumber", "1") != "1":
            page = []
        return self.json({"Code": 200, "Success": True, "Data": {"Files": page, "TotalCount": len(files)}})

    def blob(self, files: Mapping[str, bytes], query: Mapping[str, str], *_: str) -> None:
        self.send_file(files, query.get("FilePath", ""), {})

    def hf_info(self, files: Mapping[str, bytes], query: Mapping[str, str], dataset: str) -> None:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "blobId": hashlib.sha1(data).hexdigest(),
                "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130},
            }
            for name, data in files.items()
        ]
        self.json({"id": dataset, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False, "downloads": 0})

    def hf_blob(self, files: Mapping[str, bytes], query: Mapping[str, str], dataset: str, name: str) -> None:
        etag = hashlib.sha256(files.get(name, b"")).hexdigest()
        self.send_file(files, name, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "X-Linked-Etag": f'"{etag}"'})

    def send_file(self, files: Mapping[str, bytes], name: str, headers: Mapping[str, str]) -> None:
        if name not in files:
            return self.json({"Code": 404, "Success": False, "Message": "no such file"}, 404)
        fault = "" if self.command == "HEAD" else self.hub.take_fault(name)
        if fault == "500":
            return self.json({"Code": 500, "Success": False, "Message": "down"}, 500)
        data = files[name]
        if fault == "truncate":
            data = data[: len(data) // 2]
        if fault == "wrong":
            data = data[:-20] + b"x" * 20
        start, total = 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start = int(asked.group(1))
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            data = data[start : int(asked.group(2)) + 1 if asked.group(2) else total]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{total}")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        for header, text in headers.items():
            self.send_header(header, text)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(data, fault)
        return None

    def send_body(self, data: bytes, fault: str) -> None:
        if fault == "drop":
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.hub.sent += len(data) // 2
            self.close_connection = True
            self.connection.close()
            return
        step = max(1, len(data) // 20) if fault == "slow" else len(data) or 1
        for at in range(0, len(data), step):
            self.wfile.write(data[at : at + step])
            self.hub.sent += len(data[at : at + step])
            if fault == "slow":
                time.sleep(0.05)

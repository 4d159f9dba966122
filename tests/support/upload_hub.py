"""A hub that takes uploads, over real HTTP on this machine: what the ModelScope and the Hugging Face client ask to
create a repository, to store large files apart and to commit.

    with UploadHub() as hub:
        env = hub.env(tmp_path)                       # points both clients here
        hub.files["owner/name"]["README.md"]          # what was committed
        hub.broken = "commit"                         # answers 500 wherever this stands in the address
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

LARGE = (".safetensors", ".gguf", ".bin")


class UploadHub:
    """`files`: repository -> path -> bytes. `created`: repository -> what its creator asked. `tokens`: what came as
    bearer."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.created: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.tokens: set[str] = set()
        self.broken = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> UploadHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def env(self, home: Path) -> dict[str, str]:
        """Both clients pointed here, with an own home and no patience."""
        return {
            "HOME": str(home),
            "MODELSCOPE_ENDPOINT": self.url,
            "MODELSCOPE_CACHE": str(home / "ms"),
            "MODELSCOPE_HOME": str(home / "mshome"),
            "MODELSCOPE_API_MAX_RETRIES": "1",
            "MODELSCOPE_UPLOAD_BLOB_MAX_ATTEMPTS": "1",
            "MODELSCOPE_UPLOAD_COMMIT_MAX_ATTEMPTS": "1",
            "MODELSCOPE_UPLOAD_RECOVERY_ENABLED": "false",
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


class _Handler(BaseHTTPRequestHandler):
    hub: UploadHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.answer({})

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        self.answer({})

    def answer(self, body: Any) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlparse(self.path).path
        self.hub.requests.append(f"{self.command} {path}")
        self.hub.tokens.add(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if self.hub.broken and self.hub.broken in path:
            return self.reply({"Code": 500, "Success": False, "Message": "out of order", "error": "out of order"}, 500)
        for pattern, take in (
            (r"/api/repos/create", self.hf_create),
            (r"/api/validate-yaml", self.hf_validate),
            (r"/api/models/([^/]+/[^/]+)/preupload/main", self.hf_preupload),
            (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.lfs_batch),
            (r"/api/models/([^/]+/[^/]+)/commit/main", self.hf_commit),
            (r"/api/v1/models", self.ms_create),
            (r"/api/v1/repos/models/([^/]+/[^/]+)/info/lfs/objects/batch", self.ms_batch),
            (r"/api/v1/repos/models/([^/]+/[^/]+)/commit/master", self.ms_commit),
            (r"/blobs/(\w+)", self.blob),
        ):
            found = re.fullmatch(pattern, path)
            if found:
                return take(raw, *found.groups())
        return self.reply(
            {"Code": 404, "Success": False, "Message": f"no such page: {path}", "error": "no such page"}, 404
        )

    def reply(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def blob(self, raw: bytes, oid: str) -> None:
        self.hub.blobs[oid] = raw
        self.reply({})

    def objects(self, raw: bytes) -> list[dict[str, Any]]:
        """An upload address for every object that is not here yet."""
        return [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/blobs/{one['oid']}", "header": {}}}}
            for one in json.loads(raw)["objects"]
            if one["oid"] not in self.hub.blobs
        ]

    # Hugging Face

    def hf_create(self, raw: bytes) -> None:
        asked = json.loads(raw)
        name = f"{asked['organization']}/{asked['name']}"
        known = name in self.hub.created
        self.hub.created.setdefault(name, asked)
        self.reply({"url": f"{self.hub.url}/{name}", "name": name}, 409 if known else 200)

    def hf_validate(self, raw: bytes) -> None:
        card = json.loads(raw)["content"]
        self.reply({"errors": [] if card.startswith("---\n") else [{"message": "no metadata"}], "warnings": []})

    def hf_preupload(self, raw: bytes, repository: str) -> None:
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for one in json.loads(raw)["files"]
        ]
        self.reply({"files": files})

    def lfs_batch(self, raw: bytes, repository: str) -> None:
        self.reply({"transfer": "basic", "objects": self.objects(raw)})

    def hf_commit(self, raw: bytes, repository: str) -> None:
        for line in raw.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "file":
                self.hub.files[repository][value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                self.hub.files[repository][value["path"]] = self.hub.blobs[value["oid"]]
        self.reply({"commitUrl": f"{self.hub.url}/{repository}/commit/1", "commitOid": "1", "success": True})

    # ModelScope

    def ms_create(self, raw: bytes) -> None:
        asked = json.loads(raw)
        name = f"{asked['Path']}/{asked['Name']}"
        if name in self.hub.created:  # the client creates what it uploads to once more
            self.reply({"Code": 10010201001, "Success": False, "Message": "already exists"}, 400)
        else:
            self.hub.created[name] = asked
            self.reply({"Code": 200, "Success": True, "Data": {"Path": asked["Path"], "Name": asked["Name"]}})

    def ms_batch(self, raw: bytes, repository: str) -> None:
        self.reply({"Code": 200, "Success": True, "Data": {"objects": self.objects(raw)}})

    def ms_commit(self, raw: bytes, repository: str) -> None:
        for action in json.loads(raw)["actions"]:
            large = action["type"] == "lfs"
            content = self.hub.blobs[action["sha256"]] if large else base64.b64decode(action["content"])
            self.hub.files[repository][action["path"]] = content
        self.reply({"Code": 200, "Success": True, "Data": {"oid": "1"}})

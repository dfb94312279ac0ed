"""A local stand-in of the Hugging Face hub's HTTP interface, as huggingface_hub speaks to it.

It knows what pulling and pushing models needs: facts of a repository, files by revision (large
ones by way of a redirect), making a repository, the upload of large files, and commits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

import yaml
from local_server import running

LARGE = (".onnx", ".safetensors", ".bin")


@dataclass
class Repository:
    """Its commits, oldest first; ``refs`` name some of them."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], message: str = "") -> str:
        told = json.dumps([len(self.commits), message, sorted(files)]).encode()
        sha = hashlib.sha1(told).hexdigest()
        self.commits[sha] = dict(files)
        self.refs["main"] = sha
        return sha

    def at(self, revision: str) -> str | None:
        sha = self.refs.get(revision, revision)
        return sha if sha in self.commits else None

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.refs["main"]]


@dataclass
class Hub:
    """What tests see and set. Tokens: ``"owner"`` may write, ``"guest"`` may read public ones."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    #: (method, path) of every request.
    requests: list[tuple[str, str]] = field(default_factory=list)
    #: Path part -> status that a request for it gets.
    faults: dict[str, int] = field(default_factory=dict)
    #: Path -> what is said of it with status 200, whatever the repositories hold.
    answers: dict[str, bytes] = field(default_factory=dict)
    summaries: list[str] = field(default_factory=list)
    #: Bytes that are missing at the end of large files.
    lost: int = 0
    #: Whether files come without what only a hub says of them.
    foreign: bool = False

    def add(self, name: str, files: dict[str, bytes], **facts: bool) -> Repository:
        """Put a repository with one commit there."""
        repository = self.repositories[name] = Repository(**facts)
        repository.commit(files)
        return repository

    def asked(self, part: str) -> list[str]:
        return [path for _, path in self.requests if part in path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - as the standard library calls them

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        self.hub.requests.append((self.command, path))
        for part, status in self.hub.faults.items():
            if part in path:
                return self._say(status, {"error": "as the test asked"})
        if path in self.hub.answers:
            return self._say(200, self.hub.answers[path])
        method = "GET" if self.command == "HEAD" else self.command
        for verb, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                return answer(self, body, *found.groups())
        return self._say(404, {"error": f"no {self.command} {path}"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _say(self, status: int, content: object = None, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _readable(self, name: str, revision: str) -> tuple[Repository, str] | None:
        """Return a repository and commit; None where the refusal has been said."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and self._token != "owner"):
            status = 404 if self._token else 401
            self._say(status, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        if repository.gated and self._token != "owner":
            self._say(403, {"error": "gated"}, X_Error_Code="GatedRepo")
            return None
        sha = repository.at(revision)
        if sha is None:
            self._say(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
            return None
        return repository, sha

    def _may_write(self) -> bool:
        if self._token == "owner":
            return True
        self._say(403 if self._token else 401, {"error": "You don't have the rights"})
        return False

    def info(self, body: bytes, name: str, revision: str | None) -> None:
        found = self._readable(name, revision or "main")
        if found:
            repository, sha = found
            siblings = [{"rfilename": file} for file in sorted(repository.commits[sha])]
            facts = {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "tags": []}
            self._say(200, {**facts, "private": repository.private})

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> None:
        found = self._readable(name, revision)
        if not found:
            return None
        repository, sha = found
        data = repository.commits[sha].get(file)
        if data is None:
            return self._say(404, None, X_Error_Code="EntryNotFound", X_Repo_Commit=sha)
        if self.hub.foreign:
            return self._say(200, data)
        sha256 = hashlib.sha256(data).hexdigest()
        if not file.endswith(LARGE):
            return self._say(200, data, ETag=f'"{sha256[:40]}"', X_Repo_Commit=sha)
        self.hub.large[sha256] = data
        return self._say(
            302,
            b"",
            # Another host, as the hub's store of large files is: no token may go there.
            Location=f"{self.hub.url.replace('127.0.0.1', 'localhost')}/large/{sha256}",
            X_Linked_Etag=f'"{sha256}"',
            X_Linked_Size=str(len(data)),
            X_Repo_Commit=sha,
        )

    def get_large(self, body: bytes, sha256: str) -> None:
        if self._token:
            return self._say(400, {"error": "a token went to the store"})
        data = self.hub.large[sha256]
        return self._say(200, data[: len(data) - self.hub.lost], ETag=f'"{sha256}"')

    def create(self, body: bytes) -> None:
        if not self._may_write():
            return None
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.url}/{name}"
        if name in self.hub.repositories:
            return self._say(409, {"error": "You already created this model repo", "url": url})
        private = asked.get("visibility") == "private"
        self.hub.add(name, {".gitattributes": b"*.onnx filter=lfs\n"}, private=private)
        return self._say(200, {"url": url})

    def check_card(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        try:
            front = yaml.safe_load(content.split("---")[1])
            assert isinstance(front, dict)
        except (yaml.YAMLError, AssertionError, IndexError):
            return self._say(400, {"errors": [{"message": "bad front matter"}]})
        return self._say(200, {"errors": [], "warnings": []})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if not self._may_write():
            return
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(body)["files"]
        ]
        self._say(200, {"files": files})

    def batch(self, body: bytes, name: str) -> None:
        if not self._may_write():
            return
        objects = [
            {**o, "actions": {"upload": {"href": f"{self.hub.url}/large/{o['oid']}", "header": {}}}}
            for o in json.loads(body)["objects"]
        ]
        self._say(200, {"transfer": "basic", "objects": objects})

    def put_large(self, body: bytes, sha256: str) -> None:
        right = hashlib.sha256(body).hexdigest() == sha256
        if right:
            self.hub.large[sha256] = body
        self._say(200 if right else 400, {})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        if not self._may_write():
            return
        repository = self.hub.repositories[name]
        files = dict(repository.files)
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.hub.summaries.append(value["summary"])
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        sha = repository.commit(files, self.hub.summaries[-1])
        url = f"{self.hub.url}/{name}/commit/{sha}"
        self._say(200, {"commitUrl": url, "commitOid": sha, "success": True})


_REPOSITORY = r"([^/]+/[^/]+)"
_ROUTES = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.check_card),
    ("GET", rf"/api/models/{_REPOSITORY}(?:/revision/(.+))?", _Handler.info),
    ("POST", rf"/api/models/{_REPOSITORY}/preupload/(.+)", _Handler.preupload),
    ("POST", rf"/api/models/{_REPOSITORY}/commit/(.+)", _Handler.commit),
    ("POST", rf"/{_REPOSITORY}\.git/info/lfs/objects/batch", _Handler.batch),
    ("GET", r"/large/(\w+)", _Handler.get_large),
    ("PUT", r"/large/(\w+)", _Handler.put_large),
    ("GET", rf"/{_REPOSITORY}/resolve/([^/]+)/(.+)", _Handler.resolve),
]


@contextmanager
def serve() -> Iterator[Hub]:
    """Run an empty hub on a port of the machine's choosing."""
    hub = Hub()
    with running(type("Handler", (_Handler,), {"hub": hub})) as hub.url:
        yield hub

"""Addresses of the pages, the token that guards them, and the server."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette import responses
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from swiftagent.errors import ConfigError, SwiftAgentError
from swiftagent.io.jsonl import whole_file
from swiftagent.io.language import speaker, wanted_language
from swiftagent.io.pages import render
from swiftagent.masks.view import share
from swiftagent.ui import views
from swiftagent.ui.jobs import command_line
from swiftagent.ui.pages import NAMES, Page, Pages, Parsers

COOKIE = "swiftagent-ui"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
# A page that a command wrote stands alone: its scripts run in an origin of their own and reach no network.
FILE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)
_STATIC = {"app.js": "text/javascript", "app.css": "text/css"}


class Guard(msgspec.Struct, frozen=True):
    """Lets in who has the token, in the address or in the cookie that it sets, and only from the server's own pages."""

    app: ASGIApp
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.app
        if scope["type"] == "http":
            asked = HTTPConnection(scope)
            given = asked.query_params.get("token") or asked.cookies.get(COOKIE, "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                answer = responses.PlainTextResponse("open the address that `swiftagent ui` printed\n", 403)
            elif scope["method"] != "GET" and not _is_own(asked):
                answer = responses.PlainTextResponse("this form was not sent by one of these pages\n", 403)
        await answer(scope, receive, send)


def _is_own(asked: HTTPConnection) -> bool:
    """Whether a form comes from a page of this server: browsers say so in Origin, other programs leave it out."""
    origin = asked.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == asked.headers.get("host")


class Site(msgspec.Struct, frozen=True):
    """The handlers of each address."""

    pages: Pages
    token: str

    def app(self) -> Starlette:
        routes = [
            Route("/", self.show),
            Route("/upload", self.upload, methods=["POST"]),
            Route("/job", self.job),
            Route("/job/stop", self.stop_job, methods=["POST"]),
            Route("/run/stop", self.stop_run, methods=["POST"]),
            Route("/try/open", self.open_chat, methods=["POST"]),
            Route("/try/send", self.send, methods=["POST"]),
            Route("/try/events", self.events),
            Route("/file/{path:path}", self.file),
            Route("/static/{name}", self.static),
            Route("/{page}", self.show),
            Route("/{page}", self.start, methods=["POST"]),
        ]
        failures: Any = {SwiftAgentError: self.failed}
        return Starlette(routes=routes, middleware=[Middleware(Guard, token=self.token)], exception_handlers=failures)

    async def show(self, request: Request) -> Response:
        name = request.path_params.get("page", "data")
        asked = dict(request.query_params)
        page = await run_in_threadpool(self.pages.page, name, asked)
        jobs = self.pages.jobs.all(f"/{name}")[:5]
        return self._page(request, name, page.values, asked=asked, command=command_line(page.words), jobs=jobs)

    async def start(self, request: Request) -> Response:
        """Start the command that a page stands for, as the fields that were sent make it."""
        name = request.path_params["page"]
        page: Page = await run_in_threadpool(self.pages.page, name, await _form(request))
        job = await run_in_threadpool(self.pages.jobs.start, [*page.words, "--json"], f"/{name}", page.result_at)
        return _to("/job", id=job.id)

    async def upload(self, request: Request) -> Response:
        """Keep the files that were dropped in uploads/; a name that is taken gets a number."""
        async with request.form(max_files=100) as form:
            last = ""
            for each in form.getlist("files"):
                if isinstance(each, UploadFile) and each.filename:
                    last = await run_in_threadpool(_keep, each, self.pages.root / "uploads")
        return _to("/data", **({"file": f"uploads/{last}"} if last else {}))

    async def job(self, request: Request) -> Response:
        job = self.pages.jobs.find(request.query_params.get("id", ""))
        return self._page(request, job.page[1:], {"job": job}, template="job", command=job.line, jobs=[])

    async def stop_job(self, request: Request) -> Response:
        job = self.pages.jobs.find((await _form(request))["id"])
        job.stop()
        return _to("/job", id=job.id)

    async def stop_run(self, request: Request) -> Response:
        """Stop a run wherever it was started: its trainer saves at the end of its step."""
        name = (await _form(request))["name"]
        await run_in_threadpool(views.stop_run, name, self.pages.root)
        return _to("/run", name=name)

    async def open_chat(self, request: Request) -> Response:
        form = await _form(request)
        page = await run_in_threadpool(self.pages.page, "try", form | {"chat": ""})
        chat = self.pages.open_chat([*page.words, "--events"])
        return _to("/try", **({key: form[key] for key in form if form[key]} | {"chat": chat.id}))

    async def send(self, request: Request) -> Response:
        """A question or a reply of the page, as JSON; {"stop": true} interrupts the model."""
        sent = await request.json()
        chat = self.pages.chats.get(str(sent.pop("chat", "")))
        if chat is None:
            raise ConfigError("this conversation has ended; start another")
        chat.interrupt() if sent.get("stop") else chat.send(sent)
        return responses.JSONResponse({"ok": True})

    async def events(self, request: Request) -> Response:
        chat = self.pages.chats.get(request.query_params.get("chat", ""))
        if chat is None:
            return responses.PlainTextResponse("no such conversation", 404)
        start = int(request.headers.get("last-event-id") or -1) + 1

        def lines() -> Iterator[str]:
            for number, event in enumerate(chat.watch(start), start):
                yield f"id: {number}\ndata: {json.dumps(event)}\n\n" if event is not None else ": waiting\n\n"

        headers = {"Cache-Control": "no-store"}
        return responses.StreamingResponse(lines(), media_type="text/event-stream", headers=headers)

    async def file(self, request: Request) -> Response:
        path = views.readable(self.pages.root, request.path_params["path"])
        headers = {"Content-Security-Policy": FILE_POLICY, "X-Content-Type-Options": "nosniff"}
        kind = "text/html" if path.suffix == ".html" else "image/png" if path.suffix == ".png" else "text/plain"
        return responses.FileResponse(path, media_type=kind, headers=headers)

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return responses.PlainTextResponse("no such file", 404)
        return Response(render(f"ui/{name}"), media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})

    async def failed(self, request: Request, error: Exception) -> Response:
        """An error as a page says it; to a script as its text."""
        if "json" in request.headers.get("content-type", ""):
            return responses.JSONResponse({"error": str(error)}, 400)
        return self._page(request, "", {"error": str(error)}, template="error", command="", jobs=[], status=400)

    def _page(
        self, request: Request, name: str, values: dict[str, Any], *, template: str = "", status: int = 200, **more: Any
    ) -> Response:
        chosen = request.query_params.get("lang") or request.cookies.get("lang", "")
        language = wanted_language(chosen, request.headers.get("accept-language", ""))
        about = {"page": name, "names": NAMES, "language": language, "say": speaker(language), "asked": {}}
        address = request.url.remove_query_params(["lang", "token"])
        about |= {"here": f"{address.path}?{address.query}", "theme": request.cookies.get("theme", "")}
        text = render(f"ui/{template or name}.html.j2", **(about | more | {"percent": share} | values))
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
        answer = responses.HTMLResponse(text, status, headers=headers)
        answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict", path="/")
        answer.set_cookie("lang", language, samesite="strict", path="/")
        return answer


async def _form(request: Request) -> dict[str, str]:
    return {key: str(value) for key, value in (await request.form()).items()}


def _to(page: str, **values: str) -> Response:
    return responses.RedirectResponse(f"{page}?{urlencode(values)}" if values else page, 303)


def _keep(upload: UploadFile, folder: Path) -> str:
    """Write a file whole or not at all under a name of letters, digits, dots and dashes."""
    stem, dot, suffix = re.sub(r"[^\w.-]+", "_", Path(upload.filename or "").name).lstrip(".").partition(".")
    stem = stem or "data"
    names = (f"{stem}{number}{dot}{suffix}" for number in ["", *(f"-{count}" for count in range(2, 10_000))])
    name = next(name for name in names if not (folder / name).exists())
    with whole_file(folder / name) as out:
        shutil.copyfileobj(upload.file, out)
    return name


def serve(root: Path, parser_of: Parsers, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the pages of a folder until Ctrl-C. ready: called with the address, token included, once it answers."""
    import socket

    import uvicorn

    token = secrets.token_urlsafe(16)
    pages = Pages(root, parser_of)
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(f"--port {port}: {error.strerror}; choose another, or 0 for a free one") from None
    ready(f"http://{host}:{listening.getsockname()[1]}/?{urlencode({'token': token})}")
    config = uvicorn.Config(Site(pages, token).app(), log_level="warning", timeout_graceful_shutdown=1)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        for chat in pages.chats.values():
            chat.close()

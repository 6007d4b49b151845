"""A page in a browser: choose a database, ask, see the SQL, the rows and what each agent read and wrote.

The page listens on this machine alone unless another address is asked for. It loads nothing from elsewhere and tells
nobody anything: its policy forbids the browser to call another address. Files that are uploaded are only read, and are
deleted when the page ends.
"""

import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from macsql.counts import counted
from macsql.database.outcome import Outcome
from macsql.database.schema import Database
from macsql.errors import UserError
from macsql.pipeline import shown
from macsql.pipeline.asking import SHOWN, Asker, open_database

if TYPE_CHECKING:
    from fastapi import FastAPI
    from gradio import Blocks

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CELL = 2000  # letters of a cell that are sent to the browser
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; form-action 'self'"


def check(host: str, port: int, megabytes: float) -> None:
    """Raise UserError, before a model is loaded, where there can be no page."""
    if importlib.util.find_spec("gradio") is None:
        raise UserError("--serve needs gradio: pip install -e '.[page]' in a clone, or pip install gradio==6.31.0.")
    if not 0 <= port <= 65535:
        raise UserError(f"--port {port}: write a number from 1 to 65535, or 0 for a free one.")
    if not 0 < megabytes <= 100_000:
        raise UserError(f"--upload-limit {megabytes:g}: write how many megabytes a file may have, as in 100.")
    _listening(host, port).close()


def serve(
    asker: Asker, given: Database | None, host: str, port: int, megabytes: float, say: Callable[[str], None]
) -> None:
    """Show the page until Ctrl-C or SIGTERM. `given`: the only database; None: the page takes files.

    Raises UserError where the address cannot be listened on.
    """
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # uploads are deleted then, too
    with TemporaryDirectory(prefix="macsql-page-") as uploads, closing(_listening(host, port)) as listening:
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": uploads}  # before gradio is imported
        app = application(page(asker, given, Path(uploads).resolve()), host, megabytes)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        place = f"[{host}]" if ":" in host else host
        if host not in LOOPBACK:
            say(f"Whoever reaches {host} can ask{'' if given else ' and upload files'}: there is no password.")
        say(f"The page is at http://{place}:{listening.getsockname()[1]} until Ctrl-C.")
        server.run(sockets=[listening])


def page(asker: Asker, given: Database | None, uploads: Path) -> "Blocks":
    """The page's controls; `uploads` is the folder for files that it is sent."""
    import gradio

    def chosen(upload: str | None) -> Database:
        if given is not None:
            return given
        if not upload:
            raise UserError("Choose a database first: a SQLite file.")
        path = Path(upload).resolve()
        if not path.is_relative_to(uploads):  # the browser names it
            raise UserError("That file has not been uploaded here.")
        try:
            return open_database(path)
        except UserError as error:
            raise UserError(str(error).replace(f"{path}", path.name)) from error

    def tables(upload: str | None) -> tuple[str, str]:
        """What can be asked, and what is wrong with the file."""
        try:
            schema = chosen(upload).schema
        except UserError as error:
            return "", str(error) if upload else ""
        return "\n".join(
            shown.lines_of_schema([(table.name, [c.name for c in table.columns]) for table in schema.tables])
        ), ""

    def answer(text: str, upload: str | None) -> tuple[str, str, dict[str, Any], str]:
        """What the page shows of an answer: a sentence, the SQL, the rows, the turns."""
        try:
            database = chosen(upload)
            answered = asker.ask(database, text or "")
            outcome, cut = asker.rows(database, answered)
        except UserError as error:
            return str(error), "", _rows(None), ""
        turns = "\n".join(shown.trace(answered))
        if outcome is None:
            return shown.reason(answered), answered.sql or "", _rows(None), turns
        said = counted(len(outcome.rows), "row")
        if cut or len(outcome.rows) > SHOWN:
            said = f"The first {min(SHOWN, len(outcome.rows))} of {'more' if cut else said}"
        return f"{said}.", answered.sql or "", _rows(outcome), turns

    with gradio.Blocks(title="macsql", analytics_enabled=False) as blocks:
        gradio.Markdown("# Ask a database")
        upload = gradio.File(
            label="Database (a SQLite file, which is only read)", visible=given is None, elem_id="file"
        )
        with gradio.Accordion(f"Tables of {given.id}" if given else "Tables", open=False):
            schema = gradio.Textbox(
                value=tables(None)[0], show_label=False, lines=4, max_lines=20, elem_id="tables", interactive=False
            )
        text = gradio.Textbox(
            label="Question", placeholder="How many rows are there?", elem_id="question", autofocus=True
        )
        ask = gradio.Button("Ask", variant="primary", elem_id="ask")
        message = gradio.Textbox(label="Answer", elem_id="message", interactive=False)
        sql = gradio.Code(
            label="SQL", language="sql-sqlite", elem_id="sql", interactive=False, wrap_lines=True, lines=1
        )
        rows = gradio.Dataframe(label="Rows", elem_id="rows", interactive=False, wrap=True)
        with gradio.Accordion("What each agent read and wrote", open=False):
            turns = gradio.Textbox(show_label=False, lines=8, max_lines=40, elem_id="turns", interactive=False)
        known: dict[str, Any] = {"api_visibility": "private"}
        upload.change(tables, [upload], [schema, message], **known)
        for event in (ask.click, text.submit):
            event(answer, [text, upload], [message, sql, rows, turns], **known)
    return blocks.queue(default_concurrency_limit=1)


def application(blocks: "Blocks", host: str, megabytes: float) -> "FastAPI":
    """The page as a web application that answers to its own address only and takes files of so many megabytes."""
    import gradio
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if host in ("127.0.0.1", "localhost"):  # another site's name that leads here is not one of ours
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.add_middleware(_Policy)
    return gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        show_error=False,
        max_file_size=int(megabytes * 1_000_000),
    )


class _Policy:
    """Tells the browser with every response to call nobody else."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY)]
            await send(message)

        await self.app(scope, receive, told)


def _rows(outcome: Outcome | None) -> dict[str, Any]:
    """Rows as the page's table takes them, the first SHOWN."""
    if outcome is None:
        return {"headers": [], "data": []}
    cells = [["NULL" if v is None else _cell(shown.plain(v)) for v in row] for row in outcome.rows[:SHOWN]]
    return {"headers": list(outcome.columns), "data": cells}


def _cell(value: Any) -> Any:
    return value[:CELL] if isinstance(value, str) else value


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises UserError where there can be none."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"The page cannot listen on {host}, port {port} ({reason}).") from error

"""The page of `macsql ask --serve`, in a real browser, and what it refuses to do."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from teaching import SQL

from macsql.ask import _parser as parser
from macsql.ask import run
from macsql.errors import UserError

sys.path.append(str(Path(__file__).resolve().parent.parent / "report"))

from browser import Browser, chromium

pytest.importorskip("gradio", reason="gradio is not installed: pip install -e '.[page]'")
SHOWN = "document.querySelector('#{name} textarea').value"


@dataclass
class Page:
    """A running page."""

    address: str
    process: subprocess.Popen[str]


@contextmanager
def served(model: Path, place: Path, *flags: str) -> Iterator[Page]:
    """`macsql ask --serve` in a folder of its own; temporary files go below it."""
    command = [sys.executable, "-m", "macsql.ask", "--serve", "--model", str(model), *flags]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=place, env={**os.environ, "TMPDIR": str(place)}
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.search(r"The page is at (http://\S+) until Ctrl-C\.", said)
        assert found, said
        yield Page(found[1], process)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def status(address: str, **headers: str) -> int:
    """The status of a response."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def browser() -> Iterator[Browser]:
    chromium()
    found = Browser()
    yield found
    found.close()


def test_a_file_is_uploaded_and_asked_in_a_browser(taught, ferries, tmp_path, browser):
    before = ferries.path.read_bytes()
    (tmp_path / "large.sqlite").write_bytes(bytes(2_000_000))
    (tmp_path / "text.sqlite").write_text("no database, but long enough for a header\n" * 20)
    place = tmp_path / "place"
    place.mkdir()
    with served(taught, place, "--upload-limit", "1") as page:
        listening = psutil.Process(page.process.pid).net_connections(kind="inet")
        assert {found.laddr.ip for found in listening if found.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        browser.visit(page.address)
        browser.wait("document.querySelector('#ask') && document.querySelector('#file input[type=file]') && 1")

        message, field = SHOWN.format(name="message"), "#file input[type=file]"

        def until(act: Callable[[], None], script: str) -> None:
            """Do something again until it is answered: the page may draw a control before it listens to it."""
            for _ in range(12):
                act()
                try:
                    browser.wait(script, 15)
                    return
                except AssertionError:
                    continue
            browser.wait(script)

        def ask() -> None:
            box = "document.querySelector('#question textarea')"
            browser.run(f"{box}.value = 'which?'; {box}.dispatchEvent(new Event('input', {{bubbles: true}}))")
            browser.run("document.querySelector('button#ask').click()")

        def give(path: Path) -> Callable[[], None]:
            return lambda: (
                browser.give_file(field, path) if browser.run(f"!!document.querySelector('{field}')") else None
            )

        until(ask, f"{message}.startsWith('Choose a database first')")
        until(give(tmp_path / "large.sqlite"), "/exceed|too large|maximum allowed size/i.test(document.body.innerText)")
        assert not [path for path in place.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]
        for path, script in (
            (tmp_path / "text.sqlite", f"{message}.includes('text.sqlite') && !{message}.includes('/')"),
            (ferries.path, "document.querySelector('#file').innerText.includes('ferries')"),
        ):
            browser.visit(page.address)
            browser.wait(f"!!document.querySelector('{field}')")
            until(give(path), script)
        until(ask, f"{message} === '4 rows.'")
        shown = browser.run("document.body.innerText")
        assert " ".join(SQL.split()) in " ".join(
            browser.run("document.querySelector('#sql .cm-content').innerText").split()
        )
        assert all(name in shown for name in ("Aurelia", "Blue Heron", "240"))
        called = browser.called()
        assert called
        assert not [address for address in called if not address.startswith(page.address)]
        assert list(place.rglob("ferries.sqlite"))  # while the page runs
        assert status(page.address) == 200
        assert status(page.address, Host="attacker.example") == 400
    assert not list(place.rglob("ferries.sqlite"))  # and is gone with it
    assert ferries.path.read_bytes() == before


@pytest.fixture
def refusal(tmp_path) -> Callable[..., str]:
    """What `macsql ask` says to flags that it refuses."""

    def said(*flags: str) -> str:
        with pytest.raises(UserError) as error:
            run(parser().parse_args([*flags, "--state-dir", str(tmp_path)]))
        return str(error.value)

    return said


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "--db is missing: name the SQLite file that is to be asked."),
        (["--serve", "--json"], "--serve opens a page on which one asks: leave out --json."),
        (["--serve", "how many?"], "--serve opens a page on which one asks: leave out a question."),
        (["--serve", "--port", "70000"], "--port 70000: write a number from 1 to 65535, or 0 for a free one."),
        (["--serve", "--upload-limit", "0"], "--upload-limit 0: write how many megabytes a file may have, as in 100."),
        (["--serve", "--host", "192.0.2.1"], "The page cannot listen on 192.0.2.1, port 0 ("),
        (["--serve", "--host", "a" * 70], "The page cannot listen on aaa"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_before_a_model_is_loaded(refusal, flags, sentence):
    assert refusal(*flags).startswith(sentence)


def test_without_gradio_the_sentence_names_the_extra(refusal, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005
    assert refusal("--serve") == (
        "--serve needs gradio: pip install -e '.[page]' in a clone, or pip install gradio==6.31.0."
    )


def test_the_version_in_that_sentence_is_the_one_that_is_tested():
    pinned = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"gradio==6.31.0"' in pinned


def test_an_upload_is_only_what_was_uploaded(taught, ferries, tmp_path):
    """The browser names the file: a path of this machine is none."""
    from macsql.config import GenerationConfig, SeatsConfig
    from macsql.database.sandbox import Sandbox
    from macsql.pipeline.asking import Asker
    from macsql.pipeline.page import page
    from macsql.pipeline.seating import Seating

    (tmp_path / "link.sqlite").symlink_to(ferries.path)
    with Sandbox(1) as sandbox:
        asker = Asker(Seating(SeatsConfig(model=str(taught)), GenerationConfig(), tmp_path).whole(), sandbox)
        [answer] = {fn.fn for fn in page(asker, None, tmp_path).fns.values() if fn.name == "answer"}
        for path in (ferries.path, tmp_path / "link.sqlite"):
            assert answer("how many?", str(path))[0] == "That file has not been uploaded here."

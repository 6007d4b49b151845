"""The report in a real browser: no error, no request, nothing outside of the page, something to see."""

import io
import re

import pytest
from browser import Browser
from hand_made import verdicts
from PIL import Image
from test_report import HOSTILE, answer_with

from macsql.comparison.experiment import compare
from macsql.report.html import write_html

WIDTHS = (1280, 768, 360)


@pytest.fixture(scope="module")
def browser():
    running = Browser()
    yield running
    running.close()


def colours(screenshot: bytes) -> int:
    """How many colours a picture has."""
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    return len(image.getcolors(maxcolors=image.width * image.height))


def check(browser, report):
    for width in WIDTHS:
        seen = browser.open(report, width)
        assert (seen.errors, seen.requests, seen.too_wide) == ([], [], []), width
        assert colours(seen.screenshot) > 50, width
    return browser.print_pdf()


def test_a_broken_page_is_found_out(browser, tmp_path):
    page = tmp_path / "broken.html"
    page.write_text(
        '<script>nothing()</script><script>console.error("x")</script>'
        '<img src="http://127.0.0.1:9/a.png"><div style="width: 3000px">-</div>'
    )
    seen = browser.open(page)
    assert len(seen.errors) >= 2
    assert seen.requests == ["http://127.0.0.1:9/a.png"]
    assert seen.too_wide == ["DIV."]
    page.write_text("<p></p>")
    seen = browser.open(page)
    assert (seen.errors, seen.requests, seen.too_wide) == ([], [], [])
    assert colours(seen.screenshot) == 1


def test_a_sweep_of_two(browser, balance, tmp_path):
    printed = check(browser, write_html(compare("balance", balance.state), tmp_path / "report.html"))
    assert printed.startswith(b"%PDF")


def test_a_sweep_of_sixty(browser, sixty, tmp_path):
    check(browser, write_html(sixty, tmp_path / "report.html"))


def test_one_trial_whose_every_text_is_hostile(browser, sweeps, tmp_path):
    sweeps.prepare({"selector": 4})
    folder = sweeps.trial("generation", 0, {"model": HOSTILE}, verdicts({0, 1}))
    answer_with(folder, HOSTILE + "x" * 5000)
    check(browser, write_html(compare("generation", sweeps.state), tmp_path / "report.html"))


def test_even_a_text_that_got_in_unescaped_could_do_nothing(browser, balance, tmp_path):
    report = write_html(compare("balance", balance.state), tmp_path / "report.html")
    text = report.read_text()
    report.write_text(
        text.replace("<main>", '<main><script>document.title = "taken"</script><img src="http://127.0.0.1/a">')
    )
    seen = browser.open(report)
    title = browser.ask("Runtime.evaluate", expression="document.title")["result"]["value"]
    assert title == "Experiment 1: task balance"
    assert len(re.findall("Content Security Policy", " ".join(seen.errors))) >= 2

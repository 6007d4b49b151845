"""What a command prints, when the terminal is narrow in its letters, full, or gone."""

import os
import subprocess
import sys

import pytest

from macsql.system.streams import LONGEST, one_line

LINES = "import sys; from macsql.system.streams import guarded, say; from macsql.errors import UserError\n"


def started(code: str, **streams) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", LINES + code], stderr=subprocess.PIPE, text=True, **streams)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_terminal_gets_the_same_lines(encoding):
    code = "sys.exit(guarded(lambda: print('data · a × b … ü → \\ud800 \\u4e2d')))"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", LINES + code], capture_output=True, env=environment, check=True)
    expected = {
        "ascii": "data - a x b ... \\xfc -> \\ud800 \\u4e2d\n",
        "latin-1": "data · a × b ... ü -> \\ud800 \\u4e2d\n",
        "utf-8": "data · a × b … ü → \\ud800 中\n",
    }
    assert done.stdout.decode(encoding) == expected[encoding]
    assert done.stderr == b""


@pytest.mark.parametrize("line", ["print('x' * 70000)", "say('x' * 70000)", "sys.stdout.write('x')"])
def test_work_goes_on_when_nobody_listens(tmp_path, line):
    reader, writer = os.pipe()
    os.close(reader)
    code = f"def run():\n  {line}\n  {line}\n  open({str(tmp_path / 'out')!r}, 'w').close()\nsys.exit(guarded(run))"
    with started(code, stdout=writer) as process:
        os.close(writer)
        assert (process.communicate(timeout=30)[1], process.returncode) == ("", 0)
    assert (tmp_path / "out").exists()


def test_work_goes_on_without_any_output():
    command = f'{sys.executable} -c "$CODE" >&-'
    code = LINES + "def run():\n  print(1)\n  assert not sys.stdout.isatty()\nsys.exit(guarded(run))"
    done = subprocess.run(
        ["sh", "-c", command], env={**os.environ, "CODE": code}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
@pytest.mark.parametrize(
    "code", ["guarded(lambda: print(1))", "guarded(lambda: say('1'))", "[guarded(int), guarded(lambda: print(1))][1]"]
)
def test_what_a_full_disk_loses_is_told(code):
    with open("/dev/full", "w") as full, started(f"sys.exit({code})", stdout=full) as process:  # noqa: PTH123
        said = process.communicate(timeout=30)[1]
    assert (process.returncode, said) == (
        1,
        "The output could not be written completely (No space left on device): send it elsewhere.\n",
    )


def test_a_mistake_is_one_line():
    code = "def run():\n  raise UserError('one\\n two \\x1b[31m' + 'x' * 5000 + ': do that')\nsys.exit(guarded(run))"
    with started(code) as process:
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert said.startswith("one two \\x1b[31mxxx")
    assert said.endswith("xxx: do that\n")
    assert len(said) == LONGEST + 1


def test_a_short_sentence_stays_as_it_is():
    assert one_line("There is no file “ü”: x.") == "There is no file “ü”: x."

"""The code of the pages: every Python block, and every command that this machine can run, does what the page shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests import scripts
from tests.docs.pages import PAGES, ROOT, assert_answers, assert_prints, blocks, commands, name
from tests.serve.servers import Server, serving
from vtag.model.demo import demo_model

# Commands that are not run here, and why. Every other command is.
NOT_RUN = {
    r"pip install": "it installs: .ci/run and make release-check do that",
    r"make ": "a target of the Makefile: it exists (test_readme.py), and .ci/run runs demo and the tests",
    r"vtag play ": "it opens a browser: tests/cli/test_play.py",
    r"vtag bench ": "it takes minutes: tests/bench runs it in small",
    r"vtag doctor": "what it prints depends on the machine: tests/cli/test_main.py",
    r"vtag \w+ .*--ray": "it needs a cluster: tests/integrations/ray has one of two nodes",
    r"model \|": "a language model writes into it: tests/cli/test_redact.py does so in pieces",
    r"python (benchmarks|scripts)/|scripts/gpu/": "it takes minutes, or a GPU",
    r"VLLM_PLUGINS=vtag ": "a server that vLLM starts: tests/serve/test_plugin.py",
    r"export VTAG_REDACT_KEY=": "the tests have a key of their own",
}
# Other tests look for theirs in all processes of the machine.
KEY = "a key of the pages alone, which is no secret"
# Python blocks that are run by another test.
OWN_TEST = {
    "docs/coming-from/hugging-face.md": "tests/docs/test_pages.py: before and after, side by side",
    "docs/guides/ray.md": "tests/integrations/ray/test_data.py: on a cluster",
}
# Files that pages speak of and do not show.
GIVEN = {
    "lines.txt": "Call Ann.\nThe ferry leaves twice a day.\n",
    "answer.txt": "It rains.\n",
    "corpus.jsonl": '{"text": "I am Ann Smith, ann@smith.org, 97999."}\n',
    "gold.jsonl": '{"text": "Hi, I am Ann Smith.", "spans": [[9, 12, "GIVEN_NAME"]]}\n',
    "gold.conll": "Ann B-GIVEN_NAME\nran O\n\n",
    "policy.toml": 'default = "label"\n',
    "found.jsonl": '{"text": "Hi, I am Ann Smith.", "spans": []}\n',
}
FAST = ("README.md", "docs/index.md", "docs/start.md")
WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]
WITH_COMMANDS = [page for page in PAGES if any(block.language in ("sh", "py") for block in blocks(page))]


def marked(pages: list[Path]) -> list[object]:
    """As parameters: all but the first pages that a reader sees take a while together."""
    return [pytest.param(page, id=name(page), marks=() if name(page) in FAST else pytest.mark.long) for page in pages]


def reason(command: str) -> str | None:
    """Why a command is not run."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that pages speak of."""
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    for file, text in GIVEN.items():
        (tmp_path / file).write_text(text, "utf-8")
    (tmp_path / "path" / "to").mkdir(parents=True)
    for link in ("path/to/model", "model-a", "model-b"):
        (tmp_path / link).symlink_to(demo_model())
    for link in ("examples", "tests"):
        (tmp_path / link).symlink_to(ROOT / link)
    return tmp_path


def write_files(page: Path, folder: Path) -> None:
    """The files that the page shows."""
    for block in blocks(page):
        if block.title is not None:
            (folder / block.title).write_text(block.text, "utf-8")


@pytest.mark.parametrize("page", marked([page for page in WITH_PYTHON if name(page) not in OWN_TEST]))
def test_python_blocks_print_what_the_page_shows(page: Path, folder: Path) -> None:
    write_files(page, folder)
    code = [block for block in blocks(page) if block.language == "python"]
    program = "\nprint(end='\\x1e')\n".join(block.text for block in code)
    done = scripts.run(["-c", program], cwd=folder, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    for block, printed in zip(code, done.stdout.split("\x1e"), strict=True):
        assert_prints(printed, block.output or "")


@pytest.mark.parametrize("page", marked(WITH_COMMANDS))
def test_commands_do_what_the_page_shows(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    write_files(page, folder)
    with ExitStack() as stack:
        running: Server | None = None
        for block in blocks(page):
            if block.language == "py":
                assert running is not None
                assert_prints(client(block.text, running), block.output or "")
            if block.language != "sh":
                continue
            printed = ""
            for command in commands(block):
                if reason(command) is not None:
                    continue
                if command.startswith("vtag serve "):
                    running = serve(command, folder, stack, request)
                elif "curl " in command:
                    assert running is not None, command
                    printed += shell(pointed_at(command, running), folder)
                elif command.startswith("vtag "):
                    printed += vtag(command, folder)
                else:
                    printed += shell(command, folder)
            if block.output is not None and block.output.lstrip().startswith(("{", "[")) and "curl" in block.text:
                assert_answers(printed, block.output)
            elif block.output is not None and printed:
                assert_prints(printed, block.output)


def serve(command: str, folder: Path, stack: ExitStack, request: pytest.FixtureRequest) -> Server:
    """The server of that command, on a free port: the one that all tests share, where it has no other option."""
    words = shlex.split(re.sub(r" --(port|host) \S+", "", command))[2:]
    if words == ["demo"]:
        shared: Server = request.getfixturevalue("server")
        return shared
    words = [str(folder / word) if (folder / word).is_file() else word for word in words[1:]]
    log = folder / f"log-{len(list(folder.glob('log-*')))}"
    return stack.enter_context(serving("demo", log, *words, env={"VTAG_REDACT_KEY": KEY}))


def pointed_at(command: str, server: Server) -> str:
    """The command with the server's address in place of the page's, and the key of its options."""
    return re.sub(r"http://127\.0\.0\.1:\d+", server.url, command)


def client(code: str, server: Server) -> str:
    """What a Python client prints; it is no offline library."""
    environment = {variable: value for variable, value in os.environ.items() if variable != "HF_HUB_OFFLINE"}
    line = [sys.executable, "-c", pointed_at(code, server)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=True).stdout


def shell(command: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def vtag(command: str, folder: Path) -> str:
    """What a command of vtag's prints; 1 and 6 are answers too."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="<>")
    lexer.whitespace_split = True
    words = list(lexer)
    files = {word: folder / words[at + 1] for at, word in enumerate(words) if word in ("<", ">")}
    for redirected in files:
        at = words.index(redirected)
        del words[at : at + 2]
    done = scripts.run(["-m", *words], cwd=folder, stdin=files.get("<"), timeout=200)
    assert done.returncode in (0, 1, 6), f"{command}\n{done.stderr[-3000:]}"
    if ">" not in files:
        return done.stdout
    files[">"].write_text(done.stdout, "utf-8")
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_all_code_is_in_blocks_that_these_tests_read(page: Path) -> None:
    text = re.sub(r"^(```+).*?^\1$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert "```" not in text
    assert not re.search(r"\n\n {4}\S", text)


def written() -> Iterator[str]:
    """All commands of all pages."""
    for page in WITH_COMMANDS:
        for block in blocks(page):
            if block.language == "sh":
                yield from commands(block)


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_not_run_is_on_a_page(pattern: str) -> None:
    assert any(re.match(pattern, command) for command in written())


@pytest.mark.parametrize("page", OWN_TEST)
def test_python_blocks_of_other_tests_exist(page: str) -> None:
    assert ROOT / page in WITH_PYTHON


def test_configuration_that_pages_show_is_well_formed() -> None:
    """Gateways' configurations are run by tests/serve/test_gateways.py, policies and label maps by test_pages.py."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "json":
                for line in [block.text] if block.title is None else block.text.splitlines():
                    json.loads(line)
            elif block.language == "toml":
                assert tomllib.loads(block.text)
            elif block.language == "yaml":
                assert yaml.safe_load(block.text)
            else:
                assert block.language in ("python", "py", "sh", "text"), (name(page), block.language)


def test_files_for_the_repository_are_well_formed() -> None:
    assert set(yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))) >= {
        "cff-version",
        "message",
        "title",
        "authors",
    }
    forms = set((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) - {ROOT / ".github/ISSUE_TEMPLATE/config.yml"}
    assert forms
    for form in forms:
        assert set(yaml.safe_load(form.read_text("utf-8"))) == {"name", "description", "body"}

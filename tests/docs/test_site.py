"""The site: built strictly, complete, without requests to other hosts, accessible; its search finds what users ask."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT

DOCS = sorted((ROOT / "docs").rglob("*.md"))
# A page of each kind.
LOOKED_AT = """
    start guides/words guides/redact guides/evaluate guides/http gateways gateways/litellm deploy/monitoring
    coming-from/hugging-face reference/options reference/metrics performance contributing/architecture changelog
""".split()
# In the dark, the rules that depend on colours.
AXE: dict[str, dict[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]},
}
# What users asked, in their words, and the page or heading that answers.
QUESTIONS = {
    # titles of issues: transformers 15177, 12593; vLLM 19797; Presidio 1461; KServe 4528
    "texts longer than 512 tokens with token-classification pipeline": "guides/long-texts/#how-a-long-text-is-cut",
    "NER extraction breaks splitting the words": "guides/words/#words-that-come-in-pieces",
    "How could vllm support token classifications": "guides/logits/",
    "Slow Execution Time When Scanning Large Files": "guides/files/#inputs-and-outputs",
    "Add offsets to token classification prediction tasks": "guides/logits/#offsets-and-label-names",
    # what people type into a search engine
    "hugging face ner splits words": "guides/words/#words-that-come-in-pieces",
    "vllm token classification": "guides/logits/",
    "presidio slow": "coming-from/presidio/",
    "resume run after crash": "guides/files/#a-run-can-be-killed-at-any-moment",
    "litellm guardrail": "gateways/litellm/#by-its-generic-guardrail",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(line, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """Its address: served from this machine."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def place(page: Path) -> str:
    """A page's folder on the site."""
    name = page.relative_to(ROOT / "docs").with_suffix("")
    return "" if str(name) == "index" else f"{name.parent if name.name == 'index' else name}/"


def test_llms_txt_names_every_page_and_each_is_there_as_markdown(site: Path) -> None:
    listed = re.findall(r"\]\(http://127\.0\.0\.1:8000/(.*?)\)", (site / "llms.txt").read_text("utf-8"))
    assert sorted(listed) == sorted(f"{place(page)}index.md" for page in DOCS)
    assert all((site / name).stat().st_size > 100 for name in listed)


def test_every_page_is_in_the_navigation_and_has_a_title_of_its_own() -> None:
    config = (ROOT / "mkdocs.yml").read_text("utf-8").replace("!ENV", "")
    named = re.findall(r"([\w/-]+\.md)", json.dumps(yaml.safe_load(config)["nav"]))
    assert sorted(named) == sorted(str(page.relative_to(ROOT / "docs")) for page in DOCS)
    pages = [page for page in DOCS if page.name != "changelog.md"]
    titles = [re.search(r"^# (.*)$", page.read_text("utf-8"), re.MULTILINE) for page in pages]
    assert all(titles)
    assert len({title[1] for title in titles if title}) == len(pages)


def test_no_braces_are_taken_for_attributes() -> None:
    for page in DOCS:
        text = re.sub(r"^```.*?^```$|`[^`]*`|\{ #\w+ \}", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert "{" not in re.sub(r"^````.*?^````$", "", text, flags=re.DOTALL | re.MULTILINE), page


def test_no_page_asks_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe)\b[^>]*?\bsrc=\"?([^\"\s>]+)", page.read_text("utf-8"))
        loaded += re.findall(
            r"<link\b[^>]*?rel=\"?(?:stylesheet|preconnect|icon)[^>]*?href=\"?([^\"\s>]+)", page.read_text("utf-8")
        )
        assert not [link for link in loaded if re.match(r"(https?:)?//", link)], page


def test_the_reference_has_every_public_name_with_an_anchor(site: Path) -> None:
    import vtag

    page = (site / "reference" / "python" / "index.html").read_text("utf-8")
    ids = set(re.findall(r"id=\"?([\w.-]+)", page))
    assert {f"vtag.{name}" for name in vtag.__all__ if name != "__version__"} <= ids


@pytest.mark.long
@pytest.mark.parametrize("scheme", AXE)
def test_axe_finds_nothing_and_nothing_is_asked_of_other_hosts(browser: Any, url: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    asked: list[str] = []
    page = browser.new_page(color_scheme=scheme)
    page.on("request", lambda request: asked.append(request.url))
    for name in ["", *(f"{name}/" for name in LOOKED_AT)]:
        page.goto(url + name)
        response = Axe().run(page, options=AXE[scheme]).response
        assert any(rule["id"] == "color-contrast" for rule in response["passes"])
        found = response["violations"]
        assert not found, [(each["id"], [node["html"][:200] for node in each["nodes"][:3]], name) for each in found]
    page.close()
    assert asked
    assert all(each.startswith((url, "data:", "blob:")) for each in asked)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_sites_search_finds_the_answer_among_the_first_three(browser: Any, url: str, question: str) -> None:
    page = browser.new_page()
    page.goto(url)
    page.fill("input[name=query]", question)
    page.wait_for_selector(".md-search-result__item")
    links = page.eval_on_selector_all(
        ".md-search-result__item", "items => items.slice(0, 3).map(i => [...i.querySelectorAll('a')].map(a => a.href))"
    )
    page.close()
    found = [
        link.removeprefix(url).split("?")[0] + ("#" + link.split("#")[1] if "#" in link else "")
        for item in links
        for link in item
    ]
    assert QUESTIONS[question] in found

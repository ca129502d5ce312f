"""The page, in a real Chromium: it shows what llm.tag says while one types, to eyes, keyboards and screen readers."""

from __future__ import annotations

import json
import random
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.serve.protocols.test_vtag import TEXTS
from tests.serve.servers import Server, listening, start
from tests.serve.test_refusals import JSON
from vtag import view
from vtag.types import Span

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

    from vtag import LLM

ROOT = Path(__file__).parents[3]
TEXT = "Hi, I'm Marisol Okonkwo from Dunmere."
NASTY = "It's 'Ann'! $HOME `id` \\ \"x\" %s\nJSON\n👩‍👩‍👧 e\u0301 Marisol Okonkwo 🇫🇷 lives in Dunmere.\u2028"


@contextmanager
def opened(browser: Browser, url: str, expected: str = "Failed to load resource", **options: Any) -> Iterator[Page]:
    """The server's page; whatever it asks for is the server's, and nothing fails but what is expected to."""
    context = browser.new_context(**options)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(url) else failures.append(request.url))
    page.goto(f"{url}/playground")
    page.wait_for_selector("#workspace:not([hidden]), #key-form:not([hidden])")
    yield page
    context.close()
    assert [failure for failure in failures if not re.search(expected, failure)] == []


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with opened(browser, server.url) as page:
        yield page


def answered(page: Page, text: str) -> None:
    """Wait until what is shown is the answer to this text."""
    page.wait_for_function("text => answer.text === text", arg=text)


def fill(page: Page, text: str) -> None:
    page.fill("#text", text)
    answered(page, text)


def shown(page: Page) -> list[tuple[str, str]]:
    """(label, text) of each span on the page."""
    script = """marks => marks.map(mark => {
        const label = mark.querySelector("b").textContent;
        return [label.trim(), mark.textContent.slice(0, -label.length)];
    })"""
    return [(label, text) for label, text in page.eval_on_selector_all("#spans mark", script)]


def pairs(spans: list[Span]) -> list[tuple[str, str]]:
    return [(span.label, span.text) for span in spans]


def copied(page: Page, what: str) -> str:
    page.evaluate("() => navigator.clipboard.writeText('')")
    page.click(f"[data-copy={what}]")
    while not (text := clipboard(page)):
        page.wait_for_timeout(20)
    return text


def clipboard(page: Page) -> str:
    text: str = page.evaluate("() => navigator.clipboard.readText()")
    return text


def legend(page: Page) -> dict[str, int]:
    script = "rows => rows.map(row => [row.dataset.label, Number(row.querySelector('span').textContent)])"
    return dict(page.eval_on_selector_all("#legend li", script))


def test_spans_appear_while_one_types(page: Page, llm: LLM) -> None:
    page.locator("#text").press_sequentially(TEXT)
    answered(page, TEXT)
    assert shown(page) == pairs(llm.tag(TEXT)[0]) != []
    assert f"3 spans · {len(llm.encode(TEXT)[0].tokens)} tokens, 1 window" in page.inner_text("#status")
    page.locator("#text").press_sequentially(" Call Ann.")
    answered(page, TEXT + " Call Ann.")
    assert ("GIVEN_NAME", "Ann") in shown(page)
    page.fill("#text", "")
    answered(page, "")
    assert shown(page) == []


def test_an_older_answer_never_comes_over_a_newer_one(page: Page, llm: LLM) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/v1/tag", hold_the_first)
    page.fill("#text", "Ann")
    page.wait_for_function("() => spans.ariaBusy === 'true'")
    while not held:
        page.wait_for_timeout(10)
    fill(page, TEXT)
    held[0].continue_()
    page.wait_for_timeout(300)
    assert shown(page) == pairs(llm.tag(TEXT)[0])


def test_the_slider_leaves_what_the_threshold_leaves(page: Page, llm: LLM) -> None:
    fill(page, view_text := " ".join(TEXT.split()[:3]) + " Lee-Dunmere 12 Larkspur, Oregon, 97999, X90817263.")
    scores = sorted(span.score for span in llm.tag(view_text)[0])
    assert scores[0] < 0.99
    for least in (0.5, round(scores[0] + 0.01, 2), 1.0, 0.0):
        page.locator("#threshold").fill(str(least))
        expected = llm.tag(view_text, threshold=least)[0]
        page.wait_for_function("count => document.querySelectorAll('#spans mark').length === count", arg=len(expected))
        assert shown(page) == pairs(expected)
        assert sum(legend(page).values()) == len(expected)
        assert page.inner_text("#least") == f"{least:.2f}"


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max", "viterbi"])
def test_strategies_are_those_of_the_library(page: Page, llm: LLM, strategy: str) -> None:
    fill(page, TEXT)
    expected = pairs(llm.tag(TEXT, aggregation_strategy=strategy)[0])
    page.select_option("#strategy", strategy)
    page.wait_for_function("count => answer.spans.length === count", arg=len(expected))
    assert shown(page) == expected


def test_the_legend_counts_labels_and_turns_them_off_and_on(page: Page, llm: LLM) -> None:
    text = f"{TEXT} Call Ann."
    fill(page, text)
    spans = llm.tag(text)[0]
    assert legend(page) == {"GIVEN_NAME": 2, "SURNAME": 1, "CITY": 1}
    page.uncheck("#legend [data-label=GIVEN_NAME] input")
    page.wait_for_function("() => document.querySelectorAll('#spans mark').length === 2")
    assert shown(page) == pairs([span for span in spans if span.label != "GIVEN_NAME"])
    assert legend(page)["GIVEN_NAME"] == 2
    body = json.loads(copied(page, "curl").splitlines()[-2])
    assert [pairs_of(body, llm)] == [shown(page)]
    fill(page, f"{TEXT} And Ann.")
    assert ("GIVEN_NAME", "Ann") not in shown(page)
    page.check("#legend [data-label=GIVEN_NAME] input")
    page.wait_for_function("() => document.querySelectorAll('#spans mark').length === 4")


def pairs_of(body: dict[str, Any], llm: LLM) -> list[tuple[str, str]]:
    """What the library gives for a body of /v1/tag."""
    return pairs(llm.tag(body.pop("input"), **body)[0])


def redacted_view(page: Page) -> str:
    """What the redacted view shows, once it is there."""
    page.check("#redacted")
    page.wait_for_function("() => answer.redacted")
    lines: list[str] = page.eval_on_selector_all("#spans > div", "lines => lines.map(line => line.textContent)")
    return "\n".join(lines)


@pytest.mark.parametrize("which", ["server", "renamed"])
def test_the_redacted_view_is_what_v1_redact_answers(
    browser: Browser, which: str, request: pytest.FixtureRequest
) -> None:
    """By the server's policy, of which `renamed` has one with hashes and tokens; so is what is copied."""
    served: Server = request.getfixturevalue(which)
    with opened(browser, served.url) as page:
        for text in (NASTY, "\n".join(TEXTS[:20])):
            fill(page, text)
            page.locator("#threshold").fill("0.99")
            (expected,) = served.post("/v1/redact", {"input": text}).json()["results"]
            assert redacted_view(page) == expected["text"] == copied(page, "text")
            assert json.loads(copied(page, "json")) == {key: expected[key] for key in ("text", "replacements")}
            assert page.locator("#spans mark").count() == len(expected["replacements"]) > 2
            assert page.locator("#threshold").is_disabled()
            done = subprocess.run([sys.executable, "-I", "-c", copied(page, "python")], capture_output=True, check=True)
            assert done.stdout.decode() == expected["text"] + "\n"
            done = subprocess.run(["bash", "-c", copied(page, "curl")], capture_output=True, check=True)
            assert json.loads(done.stdout)["results"][0] == expected
            page.uncheck("#redacted")
            page.wait_for_function("() => !answer.redacted")


def test_the_redacted_view_has_labels_in_the_place_of_spans(page: Page) -> None:
    fill(page, f"{TEXT}\nThe ferry leaves twice a day.\n")
    redacted_view(page)
    page.locator("#spans mark").first.hover()
    assert "label" in page.inner_text("#card")
    safe = "Hi, I'm [GIVEN_NAME] [SURNAME] from [CITY].\nThe ferry leaves twice a day.\n"
    assert page.eval_on_selector_all("#spans > div", "lines => lines.map(line => line.textContent)") == safe.split("\n")
    assert copied(page, "text") == safe
    page.uncheck("#redacted")
    page.wait_for_function("() => !answer.redacted")
    assert copied(page, "text") == f"{TEXT}\nThe ferry leaves twice a day.\n"


def test_a_span_shows_its_score_and_alternatives_to_pointers_and_keyboards(
    page: Page, llm: LLM, server: Server
) -> None:
    fill(page, TEXT)
    (result,) = server.post("/v1/tag", {"input": TEXT, "top_k": 5}).json()["results"]
    for at, span in enumerate(result["spans"]):
        mark = page.locator("#spans mark").nth(at)
        for show, hide in [
            (mark.hover, lambda: page.mouse.move(5, 5)),
            (mark.focus, lambda: page.keyboard.press("Escape")),
        ]:
            show()
            page.wait_for_selector("#card:not([hidden])")
            assert mark.get_attribute("aria-describedby") == "card"
            said = page.inner_text("#card")
            assert said.split() == [
                *f"{span['label']} {span['score']:.3f} characters {span['start']} to {span['end']}".split(),
                *(
                    word
                    for top in span["top"]
                    if top["score"] >= 0.0005
                    for word in (top["label"], f"{top['score']:.3f}")
                ),
            ]
            hide()
            page.wait_for_selector("#card", state="hidden")


def test_right_to_left_lines_run_right_to_left(page: Page) -> None:
    fill(page, "اسمي Marisol Okonkwo وأعيش في Dunmere.\nI live in Dunmere.\nשמי Ann Lee.")
    script = "lines => lines.map(line => getComputedStyle(line).direction)"
    assert page.eval_on_selector_all("#spans > div", script) == ["rtl", "ltr", "rtl"]
    assert page.evaluate("() => getComputedStyle(text).direction") == "rtl"
    assert ("SURNAME", "Okonkwo") in shown(page)
    # Long lines are shown in stretches, which all run as the line begins.
    long = f"— وأعيش في {'Dunmere, and there lives Ann Lee. ' * 150}\nI live in Dunmere."
    fill(page, long)
    *directions, last = page.eval_on_selector_all("#spans > div", script)
    assert (set(directions), last) == ({"rtl"}, "ltr")
    assert len(directions) > 4
    assert copied(page, "text") == long


def test_long_lines_come_whole_and_without_blank_lines(page: Page) -> None:
    for line in ("It rains. " * 101, "Ann Lee is in Dunmere. " * 120, "x" * 5_000, "😀" * 1_500):
        fill(page, text := f"{line}\n\n{line}")
        assert page.locator("#spans br").count() == 1
        assert page.locator("#spans > div").count() > 3
        assert copied(page, "text") == text


def test_copied_json_has_the_librarys_offsets_whatever_the_text_is_made_of(page: Page, llm: LLM) -> None:
    fill(page, NASTY)
    spans = llm.tag(NASTY)[0]
    assert json.loads(copied(page, "json")) == {
        "text": NASTY,
        "spans": [span.to_dict() | {"score": pytest.approx(span.score, abs=1e-4)} for span in spans],
    }
    assert [NASTY[span.start : span.end] for span in spans] == [text for _, text in shown(page)]


@pytest.mark.parametrize("what", ["curl", "python"])
def test_copied_code_runs_and_gives_what_is_shown(page: Page, llm: LLM, what: str) -> None:
    fill(page, NASTY)
    page.locator("#threshold").fill("0.5")
    code = copied(page, what)
    if what == "curl":
        done = subprocess.run(["bash", "-c", code], capture_output=True, check=True)
        found = [(span["label"], span["text"]) for span in json.loads(done.stdout)["results"][0]["spans"]]
    else:
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
        found = [
            (label, text) for _, _, label, _, text in (line.split(" ") for line in done.stdout.decode().splitlines())
        ]
    assert found == shown(page) == pairs(llm.tag(NASTY, threshold=0.5)[0]) != []


def test_copying_works_over_plain_http_from_another_machine_too(browser: Browser, server: Server, page: Page) -> None:
    url = server.url.replace("127.0.0.1", "vtag.test")
    with opened(browser, url) as there:
        assert there.evaluate("() => isSecureContext") is False
        fill(there, TEXT)
        there.click("[data-copy=curl]")
        there.wait_for_selector("[data-copy=curl].done")
    assert clipboard(page).startswith(f"curl {url}/v1/tag ")


@pytest.mark.parametrize("how", ["dropped", "chosen"])
def test_a_text_file_may_be_dropped_or_chosen(page: Page, llm: LLM, tmp_path: Path, how: str) -> None:
    def give(data: bytes) -> None:
        if how == "chosen":
            (tmp_path / "a.txt").write_bytes(data)
            page.set_input_files("#file", tmp_path / "a.txt")
            return
        script = """data => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(data)], "a.txt"));
            return transfer;
        }"""
        transfer = page.evaluate_handle(script, list(data))
        page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
        assert page.locator("body.dropping").count()
        page.dispatch_event("body", "drop", {"dataTransfer": transfer})
        assert not page.locator("body.dropping").count()

    give(f"\ufeff{NASTY}".encode())
    answered(page, NASTY)
    assert shown(page) == pairs(llm.tag(NASTY)[0])
    give(b"\xff\xfeN\x00o\x00")
    page.wait_for_selector("text=The file is no text in UTF-8.")
    give(b"Call Ann Lee.")
    answered(page, "Call Ann Lee.")
    assert page.locator("#problem").is_hidden()


def test_30_kb_come_whole_and_an_edit_changes_the_lines_it_touches_alone(page: Page, llm: LLM) -> None:
    gold = (ROOT / "tests/data/pii_synth_gold.jsonl").read_bytes().splitlines()
    text = "\n".join(json.loads(line)["text"] for line in gold)[:30_000]
    assert len(text) == 30_000
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.focus("#text")
    page.keyboard.press("Control+v")
    answered(page, text)
    spans = llm.tag(text)[0]
    assert shown(page) == pairs(spans)
    page.evaluate("""() => {
        window.made = 0;
        new MutationObserver((changes) => {
            for (const change of changes) made += change.addedNodes.length;
        }).observe(spans, { childList: true });
    }""")
    page.keyboard.press("Control+Home")
    page.keyboard.type("Ann. ")
    answered(page, f"Ann. {text}")
    assert page.evaluate("() => made") < 20
    # A card tells where the span is in the text as it is now, on lines that stayed as well.
    page.locator("#spans mark").first.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    assert page.locator("#card").is_visible()
    assert page.inner_text("#card .quiet") == f"characters {spans[-1].start + 5} to {spans[-1].end + 5}"


def test_all_can_be_done_by_keyboard_alone(page: Page) -> None:
    page.keyboard.type(TEXT)  # the text has the focus when the page opens
    answered(page, TEXT)
    stops = []
    for _ in range(12):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("() => document.activeElement.id || document.activeElement.textContent"))
    assert stops[:7] == ["Text", "JSON", "curl", "Python", "strategy", "threshold", "redacted"]
    assert stops[10:] == ["Marisol GIVEN_NAME", stops[11]]
    assert stops[11] not in ("Okonkwo SURNAME", "Dunmere CITY")  # the arrows go there
    page.keyboard.press("Shift+Tab")
    for key, expected in [("ArrowRight", "Okonkwo"), ("End", "Dunmere"), ("ArrowLeft", "Okonkwo"), ("Home", "Marisol")]:
        page.keyboard.press(key)
        assert page.evaluate("() => document.activeElement.firstChild.textContent") == expected
        assert page.locator("#card").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#card").is_hidden()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # the legend's last label
    page.wait_for_function("() => document.querySelectorAll('#spans mark').length === 2")
    page.focus("[data-copy=json]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-copy=json].done")
    assert len(json.loads(clipboard(page))["spans"]) == 2


def test_a_screen_reader_is_told_what_things_are_and_what_was_found(page: Page) -> None:
    fill(page, TEXT)
    page.locator("#spans mark").first.focus()
    tree = page.locator("body").aria_snapshot()
    for part in [
        'heading "vtag demo" [level=1]',
        "status: 3 spans",
        'textbox "Text"',
        'combobox "Strategy"',
        'slider "Threshold',
        'checkbox "Redacted"',
        'list "Labels"',
        'checkbox "GIVEN_NAME 1" [checked]',
        'region "Tagged text"',
        "mark: Marisol GIVEN_NAME",
        "tooltip",
        'group "Copy as"',
    ]:
        assert part in tree, (part, tree)


def assert_accessible(page: Page) -> None:
    """As axe-core finds it, by WCAG 2.2 AA and more."""
    from axe_playwright_python.sync_playwright import Axe

    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": rules}).response
    assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found["violations"]] == []
    assert any(rule["id"] == "color-contrast" for rule in found["passes"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_accessible_in_light_and_dark_wide_and_narrow(
    browser: Browser, server: Server, scheme: Literal["light", "dark"], width: int
) -> None:
    with opened(browser, server.url, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        assert_accessible(page)
        page.click("#example")
        page.wait_for_selector("#spans mark")
        page.locator("#spans mark").nth(3).focus()
        page.uncheck("#legend input >> nth=1")
        assert_accessible(page)
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        redacted_view(page)
        assert_accessible(page)
        page.evaluate("() => problem('The file is no text in UTF-8.')")
        assert_accessible(page)
        page.evaluate("() => askForKey()")
        assert_accessible(page)
        paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", paper))) < 3 * 60) is (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_file_of_vtag_tag_is_accessible_and_runs_nothing(
    browser: Browser, llm: LLM, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    texts = [TEXT, NASTY, "<script>hacked = 1</script><img src=x onerror=hacked=1> Ann Lee"]
    (tmp_path / "page.html").write_text(view.render_page(texts, llm.tag(texts), title="<script>hacked = 1</script>"))
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert_accessible(page)
    assert page.locator("script, img").count() == 0
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("article").all_text_contents()[2].startswith(texts[2][:50])
    page.context.close()


def test_page_and_terminal_show_a_label_in_the_same_colour(
    page: Page, llm: LLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_places", {})
    expected = view.colors(llm.tagger.scheme.span_labels)
    fill(page, TEXT)
    script = "marks => marks.map(mark => getComputedStyle(mark).backgroundColor)"
    found = [
        "#{:02x}{:02x}{:02x}".format(*map(int, re.findall(r"\d+", color)))
        for color in page.eval_on_selector_all("#spans mark", script)
    ]
    assert found == [expected[label] for label, _ in shown(page)]
    painted = re.findall(r"48;5;(\d+)m\w", view.render_terminal(TEXT, llm.tag(TEXT)[0]))
    assert found == [view.rgb(int(color)) for color in painted]


def test_a_text_full_of_html_and_script_is_text(page: Page, llm: LLM) -> None:
    text = (
        "<script>window.hacked = 1</script><img src=x onerror='hacked=1'> Marisol Okonkwo </textarea></div>&lt;b&gt;\n"
        "<svg onload=hacked=1> javascript:hacked=1 <a href='javascript:hacked=1'>Ann Lee</a> \x07\x1b[2J {{7*7}} ${7*7}"
    )
    fill(page, text)
    assert shown(page) == pairs(llm.tag(text)[0]) != []
    assert page.evaluate(
        "() => [...spans.querySelectorAll('*')].every(node => 'DIV MARK B BDI'.includes(node.tagName))"
    )
    assert (
        page.locator("#spans")
        .evaluate("node => node.textContent")
        .startswith("<script>window.hacked = 1</script><img src=x onerror='hacked=1'> Marisol")
    )
    page.evaluate(
        """() => show({
            text: "ab", shown: "ab",
            spans: [{ label: "<img src=x onerror=hacked=1>", score: 1, from: 0, to: 1, top: [] }]
        })"""
    )
    assert page.locator("#spans img").count() == 0
    page.wait_for_timeout(100)
    assert page.evaluate("() => window.hacked") is None


def test_no_script_or_style_but_its_own_can_run_in_it(browser: Browser, server: Server) -> None:
    policy = server.get("/playground").headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert rules["connect-src"] == "'self'"
    with opened(browser, server.url, expected="requires 'Trusted|Security Policy") as page:
        for attack in [
            "document.body.append(Object.assign(document.createElement('script'), { textContent: 'hacked = 1' }))",
            "document.body.innerHTML = '<img src=x onerror=hacked=1>'",
            "document.body.setAttribute('onclick', 'hacked = 1'), document.body.click()",
            # In a callback: what is evaluated from outside may itself evaluate.
            "setTimeout(() => { try { eval('window.hacked = 1'); } catch { violated = true; } })",
            "await fetch('http://vtag.test/')",
        ]:
            refused = page.evaluate(f"""async () => {{
                let violated = false;
                addEventListener("securitypolicyviolation", () => (violated = true));
                try {{ {attack}; }} catch {{ violated = true; }}
                await new Promise((done) => setTimeout(done, 50));
                return violated && !window.hacked;
            }}""")
            assert refused, attack


def test_nothing_of_the_text_is_in_the_url_in_storage_or_in_the_log(page: Page, server: Server) -> None:
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(server.url)))
    fill(page, "Zebulon Quixworth lives in Dunmere.")
    assert asked == ["/v1/tag"]
    assert page.url == f"{server.url}/playground"
    kept = page.evaluate("""async () => [
        localStorage.length, sessionStorage.length, document.cookie, history.state,
        (await indexedDB.databases()).length, (await caches.keys()).length, (await navigator.storage.estimate()).usage,
    ]""")
    assert kept == [0, 0, "", None, 0, 0, 0]
    page.reload()
    page.wait_for_selector("#workspace:not([hidden])")
    assert page.input_value("#text") == ""
    assert "Quixworth" not in server.log.read_text("utf-8")


def test_what_the_server_refuses_is_said_in_its_words(page: Page, server: Server) -> None:
    fill(page, TEXT)
    page.evaluate("() => { text.value = 'a\\ud800b'; tag(); }")
    page.wait_for_selector("#problem:not([hidden])")
    refused = server.post("/v1/tag", None, content=b'{"input": "a\\ud800b"}', headers=JSON).json()["error"]
    assert page.inner_text("#problem") == refused
    assert shown(page) == []
    fill(page, TEXT)
    assert page.locator("#problem").is_hidden()


def test_overlapping_spans_are_cut_as_in_the_terminal(page: Page) -> None:
    numbers = random.Random(1)
    cases = []
    for _ in range(300):
        text = "".join(numbers.choices("ab\n ", k=numbers.randrange(12)))
        edges = [sorted(numbers.choices(range(len(text) + 1), k=2)) for _ in range(numbers.randrange(5))]
        cases.append((text, [Span(a, b, numbers.choice("XYZ"), 0.5, text[a:b]) for a, b in edges]))
    script = """cases => cases.map(([text, found]) => {
        place(text, found);
        const cut = pieces(text, found);
        const joined = intoLines(cut).map(line => line.pieces.map(piece => piece.text).join("") + line.close).join("");
        return [joined, cut.map(({ text, over, ends }) => [text, over.map(s => s.label), ends.map(s => s.label)])];
    })"""
    given = [[text, [span.to_dict() for span in spans]] for text, spans in cases]
    for (text, spans), (joined, cut) in zip(cases, page.evaluate(script, given), strict=True):
        labels = [
            [piece, [span.label for span in over], [span.label for span in ends]]
            for piece, over, _, ends in view._segments(text, spans)
        ]
        assert cut == labels
        assert joined == text


def refused_late(page: Page, wrong: str, right: str) -> None:
    """The refusal of a wrong key, when it comes after the right one was given and taken, changes nothing."""
    page.reload()
    page.wait_for_selector("#key-form:not([hidden])")
    held: list[Route] = []
    page.route("**/info", lambda route: held.append(route), times=1)
    for key in (wrong, right):
        with page.expect_request("**/info"):
            page.fill("#key", key)
            page.keyboard.press("Enter")
    page.wait_for_selector("#workspace:not([hidden])")
    with page.expect_response("**/info") as refusal:
        held[0].continue_()
    assert refusal.value.status == 401
    page.wait_for_timeout(200)
    assert page.locator("#key-form").is_hidden()


def test_keys_and_a_server_that_goes_away_and_comes_back(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    # What opens where there is a screen.
    (tmp_path / "browse").write_text(f'#!/bin/sh\necho "$1" > {shlex.quote(str(tmp_path / "opened"))}\n')
    (tmp_path / "browse").chmod(0o755)
    monkeypatch.setenv("BROWSER", str(tmp_path / "browse"))
    monkeypatch.setenv("DISPLAY", ":0")

    def play(key: str) -> Server:
        options = ["--dtype", "float32", "--port", port, "--api-key", key]
        return listening(start("demo", log, *options, command="play"), log)

    log = tmp_path / "log"
    served = play("first key")
    try:
        with opened(browser, served.url) as page:
            assert page.locator("#workspace").is_hidden()
            for key in ("wrong", "clé", "first key"):
                page.fill("#key", key)
                page.keyboard.press("Enter")
                if key != "first key":
                    page.wait_for_selector("text=That key is not right.")
                    assert page.input_value("#key") == ""
            page.wait_for_selector("#workspace:not([hidden])")
            refused_late(page, "wrong", "first key")
            assert page.locator("#problem").is_hidden()
            fill(page, TEXT)
            assert len(shown(page)) == 3
            code = copied(page, "curl")
            assert "first key" not in code + copied(page, "python") + page.content()
            done = subprocess.run(
                ["bash", "-c", code], capture_output=True, env={"VTAG_API_KEY": "first key"}, check=True
            )
            assert len(json.loads(done.stdout)["results"][0]["spans"]) == 3
            assert page.evaluate("() => localStorage.length + sessionStorage.length + document.cookie.length") == 0

            served.process.terminate()
            served.process.wait(60)
            page.fill("#text", f"{TEXT} Call Ann.")
            page.wait_for_selector("text=The server does not answer. Trying again.")
            assert len(shown(page)) == 3  # what was found stays
            served = play("first key")
            answered(page, f"{TEXT} Call Ann.")
            assert len(shown(page)) == 4
            assert page.locator("#problem").is_hidden()

            page.reload()
            page.wait_for_selector("#key-form:not([hidden])")  # the key was in memory alone
    finally:
        served.process.terminate()
        served.process.wait(60)
    end = time.monotonic() + 10
    while not (tmp_path / "opened").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (tmp_path / "opened").read_text() == f"{served.url}/playground\n"

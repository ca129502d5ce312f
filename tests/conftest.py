"""What every test shares: no network, and how hard hypothesis searches."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.integrations.ray.nodes import share_environment
from vtag.system import cpu

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from transformers import PreTrainedTokenizerFast

    from tests.serve.servers import Server
    from vtag import LLM

# Before transformers is imported anywhere: a test that wants the hub must fail here, not only where there is none.
os.environ["HF_HUB_OFFLINE"] = "1"
share_environment()  # vLLM imports Ray, and other folders of tests import vLLM

# No deadline: the machine's load is no property of the code.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5000)
settings.load_profile("default")


def pytest_report_header() -> str:
    """Which CPU all this ran on."""
    return f"cpu: {cpu.describe()}, {len(os.sched_getaffinity(0))} cores"


# --- three families of tiny tokenizers, trained here on made-up text, and texts that are hard to split ---

NAMES = ["John", "Smith", "Anna", "München", "Microsoft", "Zürich", "Åsa", "O'Neil", "Jean-Pierre", "U.S.A.", "São"]
NAMES += ["ﬁnance", "İstanbul", "Straße"]
WORDS = ["the", "a", "of", "in", "said", "and", "works", "for", "visited", "number", "on", "yesterday", "café", "naïve"]
WORDS += ["coöperate", "re-read", "3.14"]
SCRIPTS = ["東京に行きました", "서울특별시", "Москва", "عبد", "الرحمن", "ירושלים", "กรุงเทพ", "हिन्दी", "Αθήνα", "北京"]
ODD = ["", ".", "...", "(", '"', "--", "👩‍👩‍👧", "🇫🇷", "e\u0301", "ﷺ", "½", "Ⅷ", "ǅ"]
ODD += ["\u200b", "\x00", "\x07", "\ufeff", "\u00ad"]
ODD += ["[SEP]", "</s>", "<s>", "[CLS]", "[UNK]", "##ing", "▁", "Ġ", "https://a.b/c?d=e&f", "a@b.co"]
ODD += ["a" * 130, "xyzzy" * 12]
GAPS = [" ", " ", " ", " ", " ", " ", "  ", "\n", "\t", "\u00a0", "", "", "-", ", ", ". ", "\r\n", "\u3000"]


def _make_word(random_: random.Random) -> str:
    letters = "".join(random_.choice("abcdefghijklmnoprstuvwzéüßñ") for _ in range(random_.randint(1, 14)))
    return random_.choice(random_.choice([WORDS, WORDS, NAMES, NAMES, SCRIPTS, ODD, [letters]]))


def _make_text(random_: random.Random, longest: int = 24) -> str:
    count = random_.choice([0, 1, 2, random_.randint(3, longest), random_.randint(3, longest)])
    text = "".join(_make_word(random_) + random_.choice(GAPS) for _ in range(count))
    return random_.choice(["", " ", "\n"]) + text if random_.random() < 0.3 else text.strip()


# What takes longest comes first: of two processes none is then left with it at the end.
LONGEST = ("tests/test_chaos", "tests/integrations/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def make_word() -> Callable[[random.Random], str]:
    """One word: common, a name, another script, an odd thing or random letters."""
    return _make_word


@pytest.fixture(scope="session")
def make_text() -> Callable[..., str]:
    """Some words with gaps of all sorts between them; sometimes empty, or with white space around it."""
    return _make_text


def _wrap(tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast  # takes seconds, which most tests need not wait

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def _wordpiece() -> PreTrainedTokenizerFast:
    """As BERT's: lower-cased, accents stripped, ## on continuations."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        _corpus(), trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    return _wrap(tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def _byte_bpe() -> PreTrainedTokenizerFast:
    """As RoBERTa's: bytes, a space before the first word, offsets trimmed."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=520, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    return _wrap(tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def _unigram() -> PreTrainedTokenizerFast:
    """As T5's: NFKC, ▁ before words, offsets that hold the space, one special token at the end only."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    return _wrap(tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>")


def _corpus() -> list[str]:
    random_ = random.Random(0)
    return [" ".join(random_.choices(WORDS + NAMES + SCRIPTS, k=8)) for _ in range(300)]


FAMILIES: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "wordpiece": _wordpiece,
    "byte_bpe": _byte_bpe,
    "unigram": _unigram,
}


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """A tokenizer of each family."""
    return FAMILIES[request.param]()


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[[str], PreTrainedTokenizerFast]:
    """A fresh tokenizer of the family named."""
    return lambda name: FAMILIES[name]()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`vtag serve demo`, in float32; it answers to the name vtag.test too."""
    from tests.serve.servers import serving

    with serving(
        "demo", tmp_path_factory.mktemp("serve") / "log", "--dtype", "float32", "--allowed-host", "vtag.test"
    ) as served:
        yield served
    assert served.process.returncode == 0


@pytest.fixture(scope="session")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`server` under a label map, with Presidio's names, with a policy and a key, and with an access log in JSON."""
    from tests.redact.given import KEY
    from tests.serve.servers import PRESIDIO_LABELS, serving

    folder = tmp_path_factory.mktemp("renamed")
    (folder / "policy.toml").write_text('default = "token"\n[labels]\nPERSON = "hash"\n')
    options = ("--label-map", str(PRESIDIO_LABELS), "--policy", str(folder / "policy.toml"), "--access-log", "json")
    with serving("demo", folder / "log", "--dtype", "float32", *options, env={"VTAG_REDACT_KEY": KEY}) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, which .ci/run installs."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    options = [
        "--no-sandbox",  # root has none
        "--disable-dev-shm-usage",  # which is small in containers
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP vtag.test 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=options)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def llm() -> Iterator[LLM]:
    """The demo model in float32, as `server` has it: the engine in this process that tells what it must answer."""
    from vtag import LLM

    with LLM(model="demo", dtype="float32") as llm:
        yield llm


@pytest.fixture
def idle(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> LLM:
    """`llm`, whose engine must not be asked for anything."""

    def asked(*_: object) -> None:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(llm._engine_thread, "_submit", asked)
    return llm


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is started is a mistake."""

    def started(*_: object) -> None:
        raise AssertionError("an engine was started")

    monkeypatch.setattr("vtag.engine.llm.EngineThread", started)

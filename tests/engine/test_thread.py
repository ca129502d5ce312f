"""One LLM in many hands: threads, a stream that calls the LLM, forks, and the engine's end."""

from __future__ import annotations

import gc
import random
import sqlite3
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import scripts
from tests.parity.checkpoints import build
from vtag import LLM, VtagError
from vtag.compat import vllm_engine
from vtag.engine import thread as engine_thread
from vtag.engine.thread import EngineThread
from vtag.system import garbage

ROUTES = {"packed": "bert", "native": "qwen2"}
WORDS = "anna smith called bob from paris about the quick brown fox that jumps over his lazy dog again and".split()
THREADS = 8


def start(model_type: str, folder: Path) -> LLM:
    return LLM(build(model_type, folder, seed=0), dtype="float32", kv_cache_memory_bytes=1 << 26)


@pytest.fixture(scope="module", params=ROUTES)
def llm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    with start(ROUTES[request.param], tmp_path_factory.mktemp("model")) as llm:
        assert llm.packed == (request.param == "packed")
        yield llm


def some_texts(rng: random.Random, count: int, longest: int = 30) -> list[str]:
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]


def stress(llm: LLM, rounds: int) -> None:
    """Each thread goes through its own texts by every call, mistakes and streams left half read among them."""
    rng = random.Random(0)
    # One text, a few, several turns of the engine, and a text of many windows among others.
    jobs = [some_texts(rng, count) for count in (1, 3, 40, 700, 1, 5, 300)]
    jobs.append([*some_texts(rng, 5), " ".join(some_texts(rng, 60))])
    assert len(jobs) == THREADS
    alone = [(llm.tag(texts, use_tqdm=False), [o.data for o in llm.encode(texts, use_tqdm=False)]) for texts in jobs]
    together = threading.Barrier(THREADS)
    wrong: list[str] = []

    def work(number: int) -> None:
        texts, (spans, logits) = jobs[number], alone[number]
        try:
            together.wait()
            for _ in range(rounds):
                with pytest.raises(VtagError, match="not a string"):
                    llm.tag([*texts[:2], None])  # type: ignore[list-item]
                with pytest.raises(VtagError, match="vocabulary"):
                    llm.encode([10**7])
                assert llm.tag(texts, use_tqdm=False) == spans
                assert next(iter(llm.tag_stream(texts))) == spans[0]
                assert list(llm.tag_stream(iter(texts))) == spans
                for output, expected in zip(llm.encode(texts, use_tqdm=False), logits, strict=True):
                    np.testing.assert_array_equal(output.data, expected)
        except BaseException as cause:
            wrong.append(f"thread {number}: {cause!r}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_eight_threads_get_to_the_last_bit_what_one_gets_alone(llm: LLM) -> None:
    stress(llm, rounds=1)


@pytest.mark.long
def test_eight_threads_get_what_one_gets_alone_in_ten_rounds(llm: LLM) -> None:
    stress(llm, rounds=10)


def test_threads_take_turns_in_the_order_in_which_they_asked(llm: LLM) -> None:
    opened = threading.Event()
    taken: list[str] = []

    def work(name: str) -> Generator[None, None, str]:
        for _ in range(2):
            taken.append(name)
            yield
        taken.append(name)
        return name

    def wait() -> Generator[None, None, None]:
        opened.wait()
        yield

    waiting = llm._engine_thread.start(wait())
    futures = [llm._engine_thread.start(work(name)) for name in "abc"]
    futures[1].cancel()
    opened.set()
    assert [futures[0].result(), futures[2].result()] == ["a", "c"]
    waiting.result()
    assert taken == ["a", "c"] * 3


def test_a_stream_may_use_the_llm_itself(llm: LLM) -> None:
    texts = some_texts(random.Random(1), 20)
    expected = llm.tag(texts)
    nested: list[object] = []

    def stream() -> Iterator[str]:
        for text in texts:
            nested.extend(llm.tag(text))
            yield text

    assert list(llm.tag_stream(stream())) == expected == nested


def test_a_stream_is_read_in_the_callers_thread_such_as_a_cursor_of_sqlite(llm: LLM) -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE texts (text TEXT)")
    rows = [(text,) for text in some_texts(random.Random(2), 5000, longest=3)]
    database.executemany("INSERT INTO texts VALUES (?)", rows)
    cursor = database.execute("SELECT text FROM texts ORDER BY rowid")
    assert list(llm.tag_stream(text for (text,) in cursor)) == llm.tag([text for (text,) in rows], use_tqdm=False)
    database.close()


def test_nothing_of_the_engine_is_held_while_a_stream_is_paused(llm: LLM) -> None:
    texts = some_texts(random.Random(3), 4500, longest=3)
    stream = llm.tag_stream(texts)
    first = next(stream)
    assert llm.tag(texts[0]) == [first]
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(llm.tag(texts[:5])))
    thread.start()
    thread.join(timeout=60)
    assert len(answers) == 1
    assert len(list(stream)) == len(texts) - 1


@pytest.mark.parametrize("good", [3, 2048, 2500])
def test_what_a_stream_raises_comes_after_all_results_before_it(llm: LLM, good: int) -> None:
    def failing() -> Iterator[str]:
        yield from ["anna"] * good
        raise OSError("the disk is gone")

    found: list[object] = []
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(llm.tag_stream(failing()))
    assert len(found) == good


@pytest.mark.parametrize("good", [3, 2048, 2500])
def test_a_bad_text_is_named_after_the_results_of_all_texts_before_it(llm: LLM, good: int) -> None:
    found: list[object] = []
    with pytest.raises(VtagError, match=f"text {good} is NoneType"):
        found.extend(llm.tag_stream([*["anna"] * good, None, "bob"]))  # type: ignore[list-item]
    assert len(found) == good


def test_an_engine_in_the_process_ends_with_it_and_is_not_taken_down_before(llm: LLM) -> None:
    _, finalizer = vllm_engine.finalizer(vllm_engine.client_of(llm._engine_thread.engine))
    assert finalizer.alive
    assert not finalizer.atexit


@pytest.mark.parametrize("model_type", ROUTES.values(), ids=ROUTES)
def test_close_frees_even_a_model_that_refers_to_itself_and_ends_every_call_in_one_line(
    model_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(model_type, tmp_path / "model") as llm:
        other = start(model_type, tmp_path / "other")
        worker = llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker
        vars(worker.model_runner.model)["itself"] = worker.model_runner.model
        model = weakref.ref(worker.model_runner.model)
        del worker
        assert model() is not None
        paused = llm.tag_stream(["anna"] * 5000)
        next(paused)
        shown, took_place, collect = repr(llm), [], gc.collect

        def counted(*_: object) -> None:
            before = gc.get_stats()[-1]["collections"]
            collect()
            took_place.append(gc.get_stats()[-1]["collections"] > before)  # not while another thread is collecting

        monkeypatch.setattr(gc, "collect", counted)
        monkeypatch.setattr(garbage, "_collect", counted)
    assert model() is None
    assert sum(took_place) == 1
    assert (repr(llm), llm.id2label) == ("LLM(closed)", other.id2label)
    assert shown.startswith(f"LLM({str(tmp_path / 'model')!r}: ")
    calls: list[Callable[[], object]] = [
        lambda: llm.tag("anna"),
        lambda: llm.tag_stream(["anna"]),
        lambda: llm.encode("anna"),
        lambda: llm.encode("anna", pooling_task="token_classify"),
        lambda: llm.llm_engine,
        lambda: list(paused),
    ]
    for call in calls:
        with pytest.raises(VtagError) as raised:
            call()
        assert raised.value.kind == "closed"
    llm.close()
    assert len(other.tag("anna")) == 1
    other.close()


def test_an_engine_that_ends_while_another_starts_leaves_it_its_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vllm.distributed import parallel_state

    monkeypatch.setattr(engine_thread, "_in_process", set())
    first = start("bert", tmp_path)

    def made() -> Any:
        first.close()
        assert parallel_state._PP is not None
        raise RuntimeError("as far as this test goes")

    with pytest.raises(RuntimeError, match="as far as"):
        EngineThread(made)
    assert not engine_thread._in_process


def test_a_mixture_of_experts_starts_beside_a_dense_model(tmp_path: Path) -> None:
    with start("bert", tmp_path / "dense") as dense:
        with start("mixtral", tmp_path / "experts") as experts:
            assert [len(llm.tag(["anna"])) for llm in (dense, experts)] == [1, 1]
        assert len(dense.tag(["anna"])) == 1


GROUP_BESIDE_AN_ENGINE = """
import os, sys, tempfile
from pathlib import Path
import torch
from vtag import LLM

tempfile.tempdir = sys.argv[2]
with LLM(sys.argv[1], dtype="float32") as llm:
    torch.distributed.new_group([0], backend="gloo")
    print(len(llm.tag("anna")))
second = LLM(sys.argv[1], dtype="float32")
if os.fork() == 0:
    sys.exit()
os.wait()
print(sum(path.is_file() for path in Path(tempfile.tempdir).iterdir()))
"""


def test_torch_makes_a_group_beside_an_engine_whose_file_stays_until_the_process_ends(tmp_path: Path) -> None:
    model, temporary = str(build("bert", tmp_path / "model", seed=0)), tmp_path / "tmp"
    temporary.mkdir()
    done = scripts.run(["-c", GROUP_BESIDE_AN_ENGINE, model, str(temporary)], timeout=60)
    assert done.stdout.split() == ["1", "1"], done.stderr
    assert not [path for path in temporary.iterdir() if path.is_file()]


def test_closing_ends_the_calls_of_other_threads(tmp_path: Path) -> None:
    llm = start("bert", tmp_path)
    ends: list[str] = []

    def work() -> None:
        try:
            while True:
                llm.tag(["anna called bob"] * 2000, use_tqdm=False)
        except VtagError as ended:
            ends.append(ended.kind)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    llm.close()
    for thread in threads:
        thread.join(timeout=60)
    assert ends == ["closed"] * 4


# In a process of its own: a fork of all that the tests have loaded proves little, and an interrupt may hit their tools.
SCRIPT = """
import os, signal, sys, threading, time
from vtag import LLM, VtagError

llm = LLM(sys.argv[1], dtype="float32", kv_cache_memory_bytes=1 << 26)
texts = ["anna called bob"] * 20_000
before = llm.tag(texts[:50])
for _ in range(3):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        llm.tag(texts)
        timer.join()
        time.sleep(1)  # where all was done before
    except KeyboardInterrupt:
        print("interrupted")
    print(llm.tag(texts[:50]) == before, flush=True)

half_read = llm.tag_stream(texts)
next(half_read)
child = os.fork()
if child == 0:
    for call in (llm.tag, llm.encode, llm.tag_stream, lambda _: list(half_read)):
        try:
            call("anna called bob")
        except Exception as error:
            print(error.kind, len(str(error).splitlines()))
    llm.close()
    sys.exit()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(llm.tag(texts[:50]) == before, len(list(half_read)) == len(texts) - 1)
"""


def test_an_interrupt_and_a_fork_leave_the_engine_well_and_the_child_is_told_in_one_line(tmp_path: Path) -> None:
    done = scripts.run(["-c", SCRIPT, str(build("bert", tmp_path, seed=0))], timeout=120)
    expected = ["interrupted", "True"] * 3 + ["forked 1"] * 4 + ["0", "True True"]
    assert done.stdout.splitlines() == expected, done.stderr
    assert done.returncode == 0


AGAIN = """
import gc
from pathlib import Path
from typing import Any
from vtag import LLM, VtagError

def memory():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])

sizes = []
for _ in range(10):
    llm = LLM(model="demo")
    llm.tag("I am Ann.")
    llm.close()
    sizes.append(memory())
print(sizes[-1] / sizes[1], gc.get_freeze_count())
gc.freeze()
with LLM(model="demo") as llm:
    frozen = gc.get_freeze_count()
    stream = llm.tag_stream(["I am Ann."] * 5000)
    next(stream)
print(frozen > 0, gc.get_freeze_count() > frozen * 0.9)
"""


@pytest.mark.long
def test_ten_engines_one_after_the_other_take_the_memory_of_two_and_leave_the_heap_as_it_was() -> None:
    """In a plain script: what the tests have frozen stays so."""
    done = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")  # also of the stream that is still open
    first, second = done.stdout.splitlines()
    growth, frozen = first.split()
    assert float(growth) < 1.05
    assert (frozen, second) == ("0", "True True")

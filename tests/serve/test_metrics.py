"""/metrics counts each request to a route of vtag's, by route and status, and promtool reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.servers import NO_TLS, Server
from vtag.serve import metrics
from vtag.serve.plugin import ROUTERS

ROUTES = [route for router in ROUTERS for route in router.routes]
# Bodies and headers of good and bad requests.
SENT: list[tuple[bytes, dict[str, str]]] = [
    (b'{"input": "Ann"}', {}),
    (b'{"inputs": "Ann"}', {}),
    (b'{"text": "Ann"}', {}),
    (b'{"contents": ["Ann"]}', {}),
    (b'{"instances": ["Ann"]}', {}),
    (b"{", {}),
    (b"{}", {"Origin": "https://elsewhere.example"}),
    (b"{}", {"Content-Type": "text/plain"}),
    (b'{"input": "Ann"}', {"X-Request-Timeout": "0.000001"}),
]


def counted(server: Server) -> tuple[Counter[tuple[str, int]], Counter[str]]:
    """Requests by route and status, and requests in the histogram by route."""
    text = server.get("/metrics").text
    requests = re.findall(r'^vtag_requests_total\{route="(.*)",status="(\d+)"\} (\S+)$', text, re.MULTILINE)
    timed = re.findall(r'^vtag_request_seconds_count\{route="(.*)"\} (\S+)$', text, re.MULTILINE)
    return (
        Counter({(route, int(status)): int(float(number)) for route, status, number in requests}),
        Counter({route: int(float(number)) for route, number in timed}),
    )


def test_every_request_to_every_route_is_counted_once(server: Server) -> None:
    sent: Counter[tuple[str, int]] = Counter()
    requests, timed = counted(server)

    def asks(route: object) -> None:
        path: str = route.path  # type: ignore[attr-defined]
        with httpx.Client(base_url=server.url, timeout=60, verify=NO_TLS) as client:
            for method in ("GET", "HEAD", "POST", "PATCH"):
                for body, headers in SENT:
                    headers = {"Content-Type": "application/json", **headers}
                    where = re.sub(r"\{.*?\}", "demo", path)
                    status = client.request(method, where, content=body, headers=headers).status_code
                    sent[path, status] += 1

    paths = {route.path: route for route in ROUTES}  # type: ignore[attr-defined]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(asks, paths.values()))
    after_requests, after_timed = counted(server)
    assert after_requests - requests == sent
    assert after_timed - timed == Counter(path for path, _ in sent.elements())
    assert {status for _, status in sent} >= {200, 400, 403, 405, 415, 422, 503}


def test_every_metric_of_vtags_is_read_by_prometheus_own_parser_with_its_type_and_help(server: Server) -> None:
    families = {family.name: family for family in text_string_to_metric_families(server.get("/metrics").text)}
    ours = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    assert len(ours) > 5
    for metric in ours:
        (wanted,) = metric.describe()
        read = families[wanted.name]
        assert (read.type, read.documentation) == (wanted.type, wanted.documentation)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: install Debian's prometheus")
def test_promtool_reads_all_of_it_and_has_no_complaint_about_a_metric_of_vtags(server: Server) -> None:
    server.post("/v1/tag", {"input": "Ann"})
    text = server.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert "error while linting" not in done.stderr
    complaints = done.stderr.splitlines()
    assert [line for line in complaints if not line.startswith("vllm:")] == []
    ours = "".join(line for line in text.splitlines(keepends=True) if "vllm:" not in line)
    assert "vtag_request_seconds_bucket" in ours
    assert subprocess.run(["promtool", "check", "metrics"], input=ours, capture_output=True, text=True).returncode == 0
    broken = subprocess.run(["promtool", "check", "metrics"], input=ours + "vtag{", capture_output=True, text=True)
    assert broken.returncode != 0

"""Ray and Presidio."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, MissingPackageError, SettingError

TABLE: dict[str, Kind] = {
    "ray_missing": Kind(MissingPackageError, 503, 5, 'Ray is not installed: pip install "vllm-vtag[ray]"'),
    "no_cluster": Kind(
        EngineError,
        503,
        5,
        "{address}: no Ray cluster accepts us ({reason}): check the address, and its token (RAY_AUTH_MODE=token)",
    ),
    "node_failed": Kind(EngineError, 500, 5, "node {node}: {reason}"),
    "node_differs": Kind(
        EngineError,
        500,
        5,
        "node {node}: has another {what} than this machine: install the same model and packages on all nodes, and"
        " pass --dtype",
    ),
    "workers_die": Kind(
        EngineError,
        500,
        5,
        "node {node}: workers die while they start: check its packages, memory and logs",
    ),
    "no_room": Kind(
        EngineError,
        503,
        5,
        "no node of the cluster has {wants} free for a worker: add nodes, or request less (--cpus-per-worker,"
        " --gpus-per-worker)",
    ),
    "kills_process": Kind(
        InputError, 500, 4, "text {index}: kills the process that tags it, each time: leave it out, and report it"
    ),
    "not_arrow": Kind(
        SettingError, 422, 2, 'batches are {type}, not Arrow tables: pass batch_format="pyarrow" to map_batches'
    ),
    "presidio_missing": Kind(
        MissingPackageError, 503, 5, 'Presidio is not installed: pip install "vllm-vtag[presidio]"'
    ),
    "server_unreachable": Kind(
        EngineError, 503, 5, "{url}: no vtag server answers ({reason}): start `vtag serve`, or correct the address"
    ),
    "server_refused": Kind(EngineError, 502, 5, "{url}: answers {status}: {reason}"),
}

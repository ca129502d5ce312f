"""Ray and Presidio."""

from __future__ import annotations

from vtag.errors.base import EngineError, InputError, Kind, MissingPackageError, SettingError

TABLE: dict[str, Kind] = {
    "ray_missing": Kind(MissingPackageError, 503, 5, 'Ray is not installed: pip install "vtag[ray]"'),
    "no_cluster": Kind(
        EngineError,
        503,
        5,
        "{address}: no Ray cluster lets us in ({reason}): check the address, and its token (RAY_AUTH_MODE=token)",
    ),
    "node_failed": Kind(EngineError, 500, 5, "node {node}: {reason}"),
    "node_differs": Kind(
        EngineError,
        500,
        5,
        "node {node}: has another {what} than this machine: copy the model and the packages to all nodes alike, and"
        " pass --dtype",
    ),
    "workers_die": Kind(
        EngineError,
        500,
        5,
        "node {node}: workers die while they start: see to its packages, memory and logs",
    ),
    "no_room": Kind(
        EngineError,
        503,
        5,
        "no node of the cluster has {wants} free for a worker: add nodes, or ask for less (--cpus-per-worker,"
        " --gpus-per-worker)",
    ),
    "kills_process": Kind(
        InputError, 500, 4, "text {index}: the process that tags it dies of it, each time: leave it out, and report it"
    ),
    "not_arrow": Kind(
        SettingError, 422, 2, 'batches are {type}, not Arrow tables: pass batch_format="pyarrow" to map_batches'
    ),
    "presidio_missing": Kind(MissingPackageError, 503, 5, 'Presidio is not installed: pip install "vtag[presidio]"'),
    "server_unreachable": Kind(
        EngineError, 503, 5, "{url}: no server answers there ({reason}): start `vtag serve`, or correct the address"
    ),
    "server_refused": Kind(EngineError, 502, 5, "{url}: answers {status}: {reason}"),
}

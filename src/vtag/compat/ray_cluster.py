"""How Ray starts on this machine alone."""

from __future__ import annotations

from typing import Any

# Environment variables: whether it reports to its makers, and the token of its connections.
STATISTICS = "RAY_USAGE_STATS_ENABLED"
TOKEN = "RAY_AUTH_TOKEN"
AUTH_MODE = "RAY_AUTH_MODE"  # read once, as Ray is imported
# For 127.0.0.1 Ray would put the machine's own address.
LOOPBACK = "127.0.0.2"


def own(folder: str, object_store: int) -> dict[str, Any]:
    """Arguments of `ray.init` for a cluster of this process's own: its files in a folder, nobody else let in."""
    return {
        "address": "local",
        "include_dashboard": False,
        "object_store_memory": object_store,
        "_temp_dir": folder,
        "_node_ip_address": LOOPBACK,
    }

"""How Ray starts a cluster on this machine alone."""

from __future__ import annotations

from typing import Any

# Environment variables: usage statistics, and the token for connections.
STATISTICS = "RAY_USAGE_STATS_ENABLED"
TOKEN = "RAY_AUTH_TOKEN"
AUTH_MODE = "RAY_AUTH_MODE"  # read once, as Ray is imported
# Ray would replace 127.0.0.1 by the machine's own address.
LOOPBACK = "127.0.0.2"


def private_settings(folder: str, object_store: int) -> dict[str, Any]:
    """Arguments of `ray.init` for a private cluster: its files in a folder, connections from this process only."""
    return {
        "address": "local",
        "include_dashboard": False,
        "object_store_memory": object_store,
        "_temp_dir": folder,
        "_node_ip_address": LOOPBACK,
    }

"""Many machines, by Ray: `Cluster` tags the chunks of `tag_files`, `TagWorker` the batches of a `ray.data.Dataset`."""

from vtag.integrations.ray.cluster import Cluster
from vtag.integrations.ray.data import TagWorker

__all__ = ["Cluster", "TagWorker"]

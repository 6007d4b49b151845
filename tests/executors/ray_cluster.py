"""A real Ray cluster on this machine: a head without CPUs, where the coordinator lives, and nodes with one CPU each."""

import os
from contextlib import contextmanager, suppress

import psutil

MEMORY = 80 * 2**20  # bytes of each node's object store
HEALTH = {  # a node that says nothing for a second and a half is dead
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 3,
    "health_check_timeout_ms": 2000,
}


@contextmanager
def two_nodes():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY, "_system_config": HEALTH}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        add_node(cluster)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def add_node(cluster):
    cluster.add_node(num_cpus=1, object_store_memory=MEMORY)


def nodes_with_work(cluster, module="remote_stub"):
    """{node: the process of the trial that runs there}."""
    found = {}
    for node in cluster.worker_nodes:
        raylet = node.all_processes["raylet"][0].process.pid
        for child in psutil.Process(raylet).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if module in child.cmdline():
                    found[node] = child
    return found


def lose_node(cluster, module="remote_stub"):
    """Kill a node that has work, as if its machine had gone; returns the process of its trial."""
    node, process = next(iter(nodes_with_work(cluster, module).items()))
    cluster.remove_node(node, allow_graceful=False)
    return process

"""Several hosts on one PostgreSQL database; README.md in this folder tells what is promised."""

from sync.cluster.worker import ClusterWorker, refuse_other_states

__all__ = ["ClusterWorker", "refuse_other_states"]

"""How accounts stand, read from the state alone: facts, a page to look at, /healthz, /metrics."""

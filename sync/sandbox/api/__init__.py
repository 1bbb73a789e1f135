"""The V3 API over HTTP, under /v3: each module answers for one kind of resource."""

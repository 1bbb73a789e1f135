"""Constant Contact's V3 API: the requests that a contact sync needs, and nothing more."""

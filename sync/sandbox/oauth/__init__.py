"""The authorisation server: a page where a person consents, and the token endpoint (RFC 6749)."""

"""A plain HTTP client with a bearer token, as small as a test needs."""

from __future__ import annotations

import time
from typing import Any

import requests

from sync.sandbox import Sandbox


class Client:
    """Calls one sandbox's API as one consented application."""

    def __init__(self, sandbox: Sandbox, scope: str | None = None, account: int | None = None):
        self.sandbox = sandbox
        chosen = scope or "contact_data account_read offline_access"
        self.tokens = sandbox.issue_tokens(chosen, account)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(self._address(path), params=query, timeout=10)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.session.post(self._address(path), json=body, timeout=30)

    def put(self, path: str, body: Any) -> requests.Response:
        return self.session.put(self._address(path), json=body, timeout=10)

    def delete(self, path: str) -> requests.Response:
        return self.session.delete(self._address(path), timeout=10)

    def first_list(self) -> str:
        return str(self.get("/contact_lists").json()["lists"][0]["list_id"])

    def start_import(self, *contacts: dict[str, Any], **more: Any) -> dict[str, Any]:
        """POST an import into the first list; return the activity's first form."""
        body = {"import_data": list(contacts), "list_ids": [self.first_list()]} | more
        answer = self.post("/activities/contacts_json_import", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def finished(self, activity: dict[str, Any], seconds: float = 5) -> dict[str, Any]:
        """Poll an activity to its end."""
        address = self.sandbox.url + activity["_links"]["self"]["href"]
        until = time.monotonic() + seconds
        while True:
            now = dict(self.session.get(address, timeout=10).json())
            if now["state"] not in ("initialized", "processing"):
                return now
            assert time.monotonic() < until, now
            time.sleep(0.01)

    def import_contacts(self, *contacts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.finished(self.start_import(*contacts, **more))

    def found(self, email: str, include: str = "custom_fields,list_memberships") -> dict[str, Any]:
        """One contact by its address, deleted or not."""
        answer = self.get("/contacts", email=email, status="all", include=include).json()
        assert len(answer["contacts"]) == 1, answer
        return dict(answer["contacts"][0])

    def _address(self, path: str) -> str:
        return path if path.startswith("http") else self.sandbox.api_url + path

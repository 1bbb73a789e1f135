"""`python -m sync.sandbox`: a sandbox as a process of its own."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sync.sandbox.server import Sandbox, serve
from sync.sandbox.settings import DEFAULT_REDIRECT_URIS, SandboxSettings, with_change

READY = """\
A local Constant Contact is ready. It is a sandbox: nothing leaves this machine.

  audience page   {admin}/
  API             {api}
  authorise       {authorize}
  token           {token}
  client id       {client_id}
  client secret   {client_secret}
  account         {account} ({organization})
  redirect        {redirects}

Stop it with Ctrl+C.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sync.sandbox", description="Run a local Constant Contact."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8090, help="0 takes any free one")
    parser.add_argument("--database", type=Path, help="file to keep everything in")
    parser.add_argument(
        "--redirect-uri",
        action="append",
        metavar="URI",
        help=f"registered redirect address, repeatable (default: {DEFAULT_REDIRECT_URIS[0]}"
        " and the same on 127.0.0.1)",
    )
    parser.add_argument(
        "--any-loopback", action="store_true", help="accept any loopback redirect address"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting, repeatable, such as requests_per_second=none",
    )
    parser.add_argument("--json", action="store_true", help="tell what is ready as one JSON line")
    chosen = parser.parse_args(arguments)
    try:
        settings = _settings(chosen)
    except ValueError as error:
        parser.error(str(error))
    try:
        serve(
            chosen.host,
            chosen.port,
            settings,
            chosen.database,
            on_ready=tell_json if chosen.json else tell,
        )
    except OSError as error:
        parser.error(f"can't listen on {chosen.host}:{chosen.port}: {error.strerror}")
    except (sqlite3.Error, ValueError) as error:
        parser.error(f"{chosen.database} can't be used: {error}")
    return 0


def _settings(chosen: argparse.Namespace) -> SandboxSettings:
    settings = SandboxSettings(any_loopback_redirect=chosen.any_loopback)
    if chosen.redirect_uri:
        settings = replace(settings, redirect_uris=tuple(chosen.redirect_uri))
    for change in chosen.set:
        name, equals, value = change.partition("=")
        if not equals:
            raise ValueError(f"--set wants NAME=VALUE, not {change!r}")
        settings = with_change(settings, name.strip().replace("-", "_"), value.strip())
    return settings


def facts(sandbox: Sandbox) -> dict[str, object]:
    """What somebody needs to know to use a sandbox."""
    return {
        "url": sandbox.url,
        "api_url": sandbox.api_url,
        "authorize_url": sandbox.authorize_url,
        "token_url": sandbox.token_url,
        "admin_url": sandbox.admin_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "encoded_account_id": sandbox.account.encoded_account_id,
        "redirect_uris": list(sandbox.settings.redirect_uris),
    }


def tell_json(sandbox: Sandbox) -> None:
    sys.stdout.write(json.dumps(facts(sandbox)) + "\n")
    sys.stdout.flush()


def tell(sandbox: Sandbox) -> None:
    text = READY.format(
        admin=sandbox.admin_url,
        api=sandbox.api_url,
        authorize=sandbox.authorize_url,
        token=sandbox.token_url,
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        account=sandbox.account.encoded_account_id,
        organization=sandbox.account.details["organization_name"],
        redirects=", ".join(sandbox.settings.redirect_uris),
    )
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

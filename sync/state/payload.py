"""The body of POST /activities/contacts_json_import, written of canonical contacts."""

from collections.abc import Iterable
from io import BytesIO

from sync.state.comparison import Action

# What an import with numbers for text messages must say (the contract's ContactsJsonImport).
SMS_PERMISSION = ',"sms_permission_to_send":"explicit"'


def sent_body(body: str, action: str, owned: str | None) -> str:
    """What is sent of a staged contact: what Constant Contact owns goes with a new one alone."""
    return body if owned is None or action != Action.NEW else owned + body[1:]


def import_payload(bodies: Iterable[str], list_ids: Iterable[str]) -> bytes:
    """The body of POST /activities/contacts_json_import, of ready contact objects."""
    return framed((body.encode() for body in bodies), list_ids)


def framed(contacts: Iterable[bytes], list_ids: Iterable[str], *, expected_bytes: int = 1) -> bytes:
    """The body, of elements of import_data; put together so that it is in memory once.

    `expected_bytes` is what the plan says that it will have.
    """
    lists = ",".join(f'"{list_id}"' for list_id in list_ids)
    payload = BytesIO()
    # To grow would take as long as all else here.
    payload.seek(expected_bytes - 1)
    payload.write(b"\0")
    payload.seek(0)
    payload.write(b'{"import_data":[')
    sms = before = b""
    for some in contacts:
        payload.write(before)
        payload.write(some)
        before = b","
        # A contact has a number for text messages only with its day of consent
        # (sync.contact.values); a text value can't hold this, since its quotation marks would be
        # escaped.
        if b'"sms_number":"' in some:
            sms = SMS_PERMISSION.encode()
    payload.write(f'],"list_ids":[{lists}]'.encode() + sms + b"}")
    payload.truncate()
    return payload.getvalue()

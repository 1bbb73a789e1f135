"""A large source of believable rows with faults, and what must be in the account after a sync."""

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COLUMNS = {
    "E-mail": "email",
    "First name": "first_name",
    "Last name": "last_name",
    "Job title": "job_title",
    "Company": "company_name",
    "Birthday": "birthday",
    "Anniversary": "anniversary",
    "Home phone": "home_phone",
    "Work phone": "work_phone",
    "Street": "street",
    "City": "city",
    "State": "state",
    "ZIP": "zip",
    "Country": "country",
    "Work street": "work_street",
    "Work city": "work_city",
    "Member No.": "cf:member_no",
    "Motto": "cf:motto",
}
_FIRST = ("Zoë", "D'Arcy", "Jürgen", "Łukasz", "Mary Ann", "Núria", "陽子", "محمد", "Ada", "Bo")
_LAST = ("O'Brien", "Müller", "Smith, Jr.", "García", 'Quote "Q" Quinn', "Ng", "Åström")
_MOTTOS = ("", "Carpe diem", "Ça va, toujours", "a\\b/c", "🌱 grow", "<b>bold</b>")


@dataclass
class People:
    """Rows by address as the source has them, and how many rows are faulty or double."""

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    faulty: int = 0
    duplicates: int = 0

    def write(self, path: Path) -> None:
        """Write the source: bad addresses first, then people, then those who come twice."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(COLUMNS))
            writer.writeheader()
            writer.writerows(
                {"E-mail": f"nobody{n}@@example", "City": "x"} for n in range(self.faulty)
            )
            some = list(self.rows.values())
            writer.writerows(
                {**row, "E-mail": row["E-mail"].upper(), "City": "older"}
                for row in some[: self.duplicates]
            )
            writer.writerows(some)


def make_people(count: int, seed: int) -> People:
    """So many people, the same for the same seed."""
    chance = random.Random(seed)
    return People(
        {
            email: _person(email, number, chance)
            for number in range(count)
            for email in [f"person.{number}+{chance.randrange(9)}@mail{number % 7}.example.com"]
        },
        faulty=count // 100,
        duplicates=count // 200,
    )


def expected(row: dict[str, str]) -> dict[str, Any]:
    """What the account must hold of a row; empty cells are left out."""
    flat: dict[str, Any] = {COLUMNS[name]: value for name, value in row.items() if value}
    if birthday := flat.pop("birthday", None):
        flat["birthday_month"], flat["birthday_day"] = map(int, birthday.split("-")[1:])
    return flat


def as_import(contact: dict[str, Any], field_names: dict[str, str]) -> dict[str, Any]:
    """A contact of GET /contacts in the words of the import: written for this test alone."""
    flat: dict[str, Any] = {"email": contact["email_address"]["address"]}
    for name in (
        "first_name",
        "last_name",
        "job_title",
        "company_name",
        "anniversary",
        "birthday_month",
        "birthday_day",
    ):
        if contact.get(name):
            flat[name] = contact[name]
    for phone in contact.get("phone_numbers", []):
        flat[f"{phone['kind']}_phone"] = phone["phone_number"]
    for address in contact.get("street_addresses", []):
        prefix = "" if address["kind"] == "home" else f"{address['kind']}_"
        for there, here in (
            ("street", "street"),
            ("city", "city"),
            ("state", "state"),
            ("postal_code", "zip"),
            ("country", "country"),
        ):
            if address.get(there):
                flat[prefix + here] = address[there]
    for value in contact.get("custom_fields", []):
        flat[f"cf:{field_names[value['custom_field_id']]}"] = value["value"]
    return flat


def _person(email: str, number: int, chance: random.Random) -> dict[str, str]:
    def sometimes(value: str) -> str:
        return value if chance.random() < 0.7 else ""

    day = (
        f"{chance.randrange(1930, 2010)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    )
    return {
        "E-mail": email,
        "First name": sometimes(chance.choice(_FIRST)),
        "Last name": sometimes(chance.choice(_LAST)),
        "Job title": sometimes("Head, Sales"),
        "Company": sometimes("Müller & Söhne"),
        "Birthday": sometimes(day),
        "Anniversary": sometimes("2015-06-30"),
        "Home phone": sometimes(f"212-555-{number % 10000:04}"),
        "Work phone": sometimes(f"+1 718 555 {number % 10000:04}"),
        "Street": sometimes(f"{number} Main St"),
        "City": sometimes("São Paulo"),
        "State": sometimes("NY"),
        "ZIP": sometimes(f"{number % 100000:05}"),
        "Country": sometimes("United States"),
        "Work street": sometimes(f"{number} Dock Rd, Suite 4"),
        "Work city": sometimes("Boston"),
        "Member No.": sometimes(f"{number:07}"),
        "Motto": chance.choice(_MOTTOS),
    }

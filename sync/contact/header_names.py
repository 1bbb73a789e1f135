"""Which well-known column names mean which contact field.

The names are those of common exports (Outlook, Google Contacts, shops and membership programs), in
English with the obvious German, French and Spanish ones.
"""

import unicodedata

from sync.contact.fields import EMAIL

_NAMES = {
    EMAIL: "email, email address, mail, mail address, primary email, email 1, contact email, "
    "e-mail-adresse, mailadresse, courriel, adresse e-mail, adresse mail, adresse électronique, "
    "correo, correo electrónico, dirección de correo electrónico",
    "first_name": "first name, given name, forename, firstname, fname, vorname, rufname, prénom, "
    "nombre, nombre de pila",
    "last_name": "last name, surname, family name, lname, nachname, familienname, nom, "
    "nom de famille, apellido, apellidos",
    "job_title": "job title, title, position, role, occupation, funktion, beruf, fonction, poste, "
    "cargo, puesto",
    "company_name": "company, company name, organization, organisation, organization name, "
    "organisation name, employer, business name, firma, unternehmen, société, entreprise, empresa",
    "birthday": "birthday, birth date, date of birth, dob, geburtstag, geburtsdatum, "
    "date de naissance, anniversaire, fecha de nacimiento, cumpleaños",
    "birthday_month": "birthday month, birth month, geburtsmonat",
    "birthday_day": "birthday day, birth day of month",
    "anniversary": "anniversary, anniversary date, jubiläum, aniversario",
    "phone": "phone, phone number, telephone, telephone number, tel, primary phone, telefon, "
    "telefonnummer, téléphone, numéro de téléphone, teléfono",
    "home_phone": "home phone, phone home, home telephone, private phone, telefon privat",
    "work_phone": "work phone, business phone, phone work, office phone, telefon geschäftlich",
    "mobile_phone": "mobile, mobile phone, mobile number, cell, cell phone, cellphone, handy, "
    "mobil, mobiltelefon, portable, téléphone portable, móvil, celular",
    "other_phone": "",
}

_ADDRESS = {
    "street": "street, street address, address, address 1, address line 1, street 1, "
    "mailing address, straße, anschrift, adresse, rue, calle, dirección",
    "street2": "street 2, address 2, address line 2, street address 2, apartment, apt, "
    "adresszusatz, complément d'adresse",
    "city": "city, town, locality, city/town, ort, stadt, wohnort, ville, ciudad",
    "state": "state, province, state/province, state or province, region, bundesland, provincia",
    "zip": "zip, zip code, postal code, postcode, post code, zip/postal code, zip postal code, "
    "plz, postleitzahl, code postal, código postal",
    "country": "country, country/region, country name, land, pays, país",
}

_ADDRESS_KINDS = {"": ("", "home"), "work_": ("work", "business"), "other_": ("other",)}


def well_known_field(column: str) -> str | None:
    """The contact field that a column of this name surely means, or None.

    Case, accents, spaces and punctuation in the name don't matter.
    """
    return _FIELDS.get(_plain(column))


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def _well_known() -> dict[str, str]:
    fields = {
        _plain(name): field
        for field, names in _NAMES.items()
        for name in (field, *names.split(", "))
    }
    for prefix, words in _ADDRESS_KINDS.items():
        for part, names in _ADDRESS.items():
            for word in words:
                for name in (part, *names.split(", ")):
                    fields.setdefault(_plain(word + name), prefix + part)
    fields.pop("", None)
    return fields


_FIELDS = _well_known()

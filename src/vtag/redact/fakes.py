"""Values that stand in for others, by Faker: the same one for the same value and key."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from threading import Lock
from typing import Any

from vtag.errors import error, short
from vtag.redact.keys import Key

# The kind of values that no other kind is like: letters and digits are drawn anew.
SHAPE = "shape"
# Kind -> Faker's method. E-mail addresses are of domains that nobody has (RFC 2606).
KINDS = {
    "name": "name",
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "ascii_safe_email",
    "phone": "phone_number",
    "address": "address",
    "street": "street_name",
    "building": "building_number",
    "city": "city",
    "state": "state",
    "country": "country",
    "zip": "postcode",
    "company": "company",
    "job": "job",
    "date": "date",
    "url": "url",
    "username": "user_name",
    "ip": "ipv4",
    "iban": "iban",
    "bank_account": "bban",
    "credit_card": "credit_card_number",
    "national_id": "ssn",
    "passport": "passport_number",
    "license_plate": "license_plate",
}
# Parts of label names, in upper case without separators, and what kind of value they have; the first that fits.
_LABELS = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        ("(GIVEN|FIRST|MIDDLE)NAME", "first_name"),
        ("SURNAME|(LAST|FAMILY)NAME", "last_name"),
        ("USERNAME|NICKNAME", "username"),
        ("STREET", "street"),
        ("BUILDING", "building"),
        ("E?MAIL", "email"),
        ("PHONE|TELEPHONE|MOBILE|FAX", "phone"),
        ("URL|WEBSITE", "url"),
        ("IPADDRESS|^IPV?4?$", "ip"),
        ("ZIP|POSTAL|POSTCODE", "zip"),
        ("PASSPORT", "passport"),
        ("PLATE", "license_plate"),
        ("CREDITCARD|CARDNUMBER", "credit_card"),
        ("IBAN", "iban"),
        ("ACCOUNT", "bank_account"),
        ("SSN|SOCIAL|TAXID|NATIONALID|GOVERNMENTID", "national_id"),
        ("CITY|TOWN", "city"),
        ("STATE|PROVINCE|REGION", "state"),
        ("COUNTRY", "country"),
        ("ADDRESS", "address"),
        ("^ORG|COMPANY|EMPLOYER", "company"),
        ("JOB|PROFESSION|OCCUPATION", "job"),
        ("DATE|^DOB$|BIRTHDAY", "date"),
        ("^PER$|PERSON|^NAME$|FULLNAME|PATIENT|DOCTOR", "name"),
        ("^LOC$|^GPE$|LOCATION", "city"),
    )
]


# A generator is seeded and asked by one thread at a time.
_SEEDED = Lock()
# `fake(value, attempt)`: each attempt is another one.
Fake = Callable[[str, int], str]


def kind_of(label: str) -> str:
    """The kind of the values of a label, by its name."""
    name = re.sub(r"[^A-Z0-9]", "", label.upper())
    return next((kind for pattern, kind in _LABELS if pattern.search(name)), SHAPE)


def maker(label: str, kind: str | None, locale: str, key: Key) -> Fake:
    """Makes fakes of the values of a label.

    Raises SettingError for kinds and locales that do not exist, MissingPackageError without Faker.
    """
    kind = kind or kind_of(label)
    if kind not in KINDS and kind != SHAPE:
        raise error("fake_kind", label=short(label), names=", ".join([*KINDS, SHAPE]))
    generator = _generator(locale)
    method = getattr(generator, KINDS[kind], None) if kind != SHAPE else None
    if method is None and kind != SHAPE:
        raise error("fake_locale", label=short(label), values=kind)

    def fake(value: str, attempt: int) -> str:
        digest = key.digest("fake", f"{kind}/{locale}/{label}", f"{attempt}/{value}")
        with _SEEDED:
            generator.seed_instance(int.from_bytes(digest[:8]))
            made = str(method()) if method else _of_shape(value, generator.random)
        return " ".join(made.replace("\n", ", ").split())

    return fake


def _of_shape(value: str, random: Random) -> str:
    """Another value with letters and digits in the same places."""
    kinds = ((str.isdigit, digits), (str.isupper, ascii_uppercase), (str.isalpha, ascii_lowercase))
    return "".join(
        next((random.choice(among) for is_one, among in kinds if is_one(character)), character) for character in value
    )


@lru_cache
def _generator(locale: str) -> Any:
    try:
        from faker import Faker
        from faker.config import AVAILABLE_LOCALES
    except ImportError as cause:
        raise error("redact_missing", what="fake", package="faker") from cause
    if locale not in AVAILABLE_LOCALES:
        raise error("fake_no_locale")
    return Faker(locale)

# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the device identity: where its key is, and whether its certificate is valid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from ansible_collections.edgesec.hardening.plugins.module_utils._identity.key_pair import (
    HARDWARE,
    SOFTWARE,
    VIRTUAL_TPM,
    WANTED,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Check,
    Control,
    Finding,
    combined,
    failed,
    guarded,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

AREA = "edgesec_identity"
ROLE = "device_identity"
_DAY = 24 * 60 * 60
NOT_DECLARED = "no identity is declared (device_identity_library)"
# Errors that running the role fixes; a person must look into the others.
_MENDED = ("key", "pin_missing")


def _of_identity(check: Callable[[View, View], Finding]) -> Check:
    """Wrap a check: it runs only if an identity is declared and its token works."""

    def checked(facts: View, policy: View) -> Finding:
        identity = facts.child(AREA)
        if not identity.flag("declared"):
            return not_applicable(NOT_DECLARED)
        error = identity.maybe_child("error")
        if error is not None:
            reason = error.text("reason")
            by_hand = None if reason in _MENDED else error.text("message")
            return failed(f"{reason}: {error.text('message')}", by_hand)
        return check(identity, policy)

    return checked


def _in_element(identity: View, _policy: View) -> Finding:
    key = identity.maybe_child("key")
    if key is None:
        return failed("no key was read back from a token")
    kind = key.text("token_kind")
    if kind == SOFTWARE:
        return failed(
            "a software token: its keys are in files",
            "Give the device a TPM or a secure element, and set device_identity_library to its PKCS#11 library",
        )
    if kind not in HARDWARE:
        return unknown(f"the token does not say that it is hardware ({kind})")
    return passed("a virtual TPM, as safe as its host" if kind == VIRTUAL_TPM else kind)


def _attributes(identity: View, _policy: View) -> Finding:
    key = identity.maybe_child("key")
    if key is None:
        return failed("no key was read back from a token")
    attributes = key.child("attributes")
    wrong = []
    for name, (_number, wanted) in WANTED.items():
        seen = attributes.maybe_flag(name)
        if seen is not wanted:
            wrong.append(f"{name} is {'not reported' if seen is None else str(seen).lower()}")
    if wrong:
        return failed(", ".join(wrong), "Destroy the key, revoke its certificate, and run harden to make a new one")
    return passed("made in the token, never outside it")


def _valid(identity: View, policy: View) -> Finding:
    certificate = identity.child("certificate")
    if not certificate.flag("exists"):
        return failed(f"{certificate.text('path')}: {certificate.text('reason')}")
    now, end = identity.number("now"), certificate.number("not_after")
    date = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d")
    if now < certificate.number("not_before"):
        return failed("not valid yet by the device's clock", "Set the device's clock")
    if now >= end:
        return failed(f"expired on {date}")
    if end - now < policy.number("device_identity_renew_before_days") * _DAY:
        return failed(f"expires on {date}")
    return passed(f"valid until {date}")


def _matches(identity: View, _policy: View) -> Finding:
    certificate, key = identity.child("certificate"), identity.maybe_child("key")
    if not certificate.flag("exists") or key is None:
        return failed("there is no certificate, or no key")
    if certificate.text("public_key") != key.text("public_key"):
        return failed("it is for another key")
    return passed("it is for this key")


def _greengrass(facts: View, policy: View) -> Finding:
    declared = bool(policy.child("device_identity_greengrass").raw())

    def one(nucleus: View) -> Finding:
        ended = nucleus.maybe_text("end_of_support")
        if ended is not None:
            return failed(f"support ended on {ended}", "Move the device to Greengrass v2, and remove v1")
        if nucleus.maybe_flag("in_element") is None:
            return unknown(nucleus.text("reason"))
        if not nucleus.flag("in_element"):
            by_hand = None if declared else "Set device_identity_greengrass, and run harden"
            return failed(f"its key is in the file {nucleus.text('key_file')}", by_hand)
        copies = nucleus.texts("copies")
        if copies:
            return failed(
                f"keys outside the element: {', '.join(copies)}",
                "List them in device_identity_greengrass.remove_copies",
            )
        if not nucleus.flag("copies_complete"):
            return unknown("not everything below its root could be examined")
        return passed("its key is only in the element")

    found = facts.child(AREA).children("greengrass")
    return combined(
        [(each.text("nucleus"), guarded(lambda each=each: one(each))) for each in found],  # type: ignore[misc]
        "Greengrass is not installed",
    )


def _control(name: str, title: str, expected: str, remedy: str, check: Callable[[View, View], Finding]) -> Control:
    return Control(
        id=f"identity.{name}",
        title=title,
        recommendation="3.1.2.1.2" if name == "key.attributes" else "3.1.2.1.1",
        expected=expected,
        remedy=remedy,
        role=ROLE,
        topic="device_identity",
        source=AREA,
        check=_of_identity(check),
    )


CONTROLS = (
    _control(
        "key.in_element",
        "The private key of the device is in a TPM or a secure element",
        "a token that is not software",
        "Run harden",
        _in_element,
    ),
    _control(
        "key.attributes",
        "The private key was made in its token, and cannot leave it",
        "sensitive and always sensitive, never extractable, local",
        "Run harden",
        _attributes,
    ),
    _control(
        "certificate.valid",
        "The device certificate is valid, and not about to expire",
        "valid for longer than device_identity_renew_before_days",
        "Run harden, which renews it with a new key",
        _valid,
    ),
    _control(
        "certificate.matches_key",
        "The device certificate matches the key in its token",
        "the same public key",
        "Run harden",
        _matches,
    ),
    Control(
        id="identity.greengrass.in_element",
        title="Greengrass uses the key in the element, and no key is left among its files",
        recommendation="3.1.2.1.1",
        expected="a token or TPM URI in the active configuration, and no key below its root",
        remedy="Set device_identity_greengrass with apply, and run harden",
        role=ROLE,
        topic="device_identity",
        source=AREA,
        check=_greengrass,
    ),
)

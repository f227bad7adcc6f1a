# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The catalogue of controls, and its map to other catalogues (their ids only).

The map is our own reading: NIST SP 800-53 revision 5, NISTIR 8259A (names of capabilities), ETSI EN 303 645 V2.1.1,
IEC 62443-4-2, and Annex I, part I, point 2 of the Cyber Resilience Act, by topic; and the CIS Debian Linux 12 Benchmark
v1.1.0, by control. Uncertain matches are left out.
"""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot import CONTROLS as BOOT
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot_chain import CONTROLS as BOOT_CHAIN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.code import CONTROLS as CODE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.console import CONTROLS as CONSOLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import Control
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.credentials import CONTROLS as CREDENTIALS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.hardware import CONTROLS as HARDWARE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.identity import CONTROLS as IDENTITY
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.key_file import CONTROLS as KEY_FILE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.luks import CONTROLS as LUKS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.platform import CONTROLS as PLATFORM
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.storage import CONTROLS as STORAGE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.tpm import CONTROLS as TPM
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.unlock import CONTROLS as UNLOCK
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.volatile import CONTROLS as VOLATILE

_ORDER = ("storage", "boot", "tpm", "credentials", "identity", "platform", "hardware", "code")
CONTROLS: tuple[Control, ...] = tuple(
    sorted(
        (
            *STORAGE,
            *KEY_FILE,
            *LUKS,
            *VOLATILE,
            *BOOT,
            *BOOT_CHAIN,
            *CONSOLE,
            *TPM,
            *UNLOCK,
            *CREDENTIALS,
            *IDENTITY,
            *PLATFORM,
            *HARDWARE,
            *CODE,
        ),
        key=lambda control: _ORDER.index(control.id.split(".", 1)[0]),
    )
)

SITE_TOPIC = "site"
TOPICS: dict[str, dict[str, tuple[str, ...]]] = {
    "encrypted_storage": {
        "nist_800_53": ("SC-28", "SC-28(1)", "SC-13"),
        "nistir_8259a": ("Data Protection",),
        "etsi_en_303_645": ("5.4-1",),
        "iec_62443_4_2": ("CR 4.1", "CR 4.3"),
        "cra_annex_i": ("I.2(e)",),
    },
    "key_management": {
        "nist_800_53": ("SC-12", "SC-28(1)"),
        "nistir_8259a": ("Data Protection",),
        "etsi_en_303_645": ("5.4-1",),
        "iec_62443_4_2": ("CR 4.3",),
        "cra_annex_i": ("I.2(e)",),
    },
    "keys_in_hardware": {
        "nist_800_53": ("SC-28(3)", "SC-12"),
        "nistir_8259a": ("Data Protection",),
        "etsi_en_303_645": ("5.4-1",),
        "iec_62443_4_2": ("CR 4.1", "CR 1.5(1)"),
        "cra_annex_i": ("I.2(d)", "I.2(e)"),
    },
    "device_identity": {
        "nist_800_53": ("IA-3(1)", "IA-5(2)", "IA-7", "SC-12(3)"),
        "nistir_8259a": ("Device Identification", "Data Protection"),
        "etsi_en_303_645": ("5.4-1", "5.4-2", "5.4-4"),
        "iec_62443_4_2": ("CR 1.5(1)", "CR 1.9(1)", "CR 1.14"),
        "cra_annex_i": ("I.2(d)", "I.2(e)"),
    },
    "secure_boot": {
        "nist_800_53": ("SI-7(9)", "SI-7(1)"),
        "nistir_8259a": ("Software Update",),
        "etsi_en_303_645": ("5.7-1",),
        "iec_62443_4_2": ("EDR 3.14", "EDR 3.14(1)"),
        "cra_annex_i": ("I.2(f)",),
    },
    "read_only_boot": {
        "nist_800_53": ("SC-34", "CM-5"),
        "nistir_8259a": ("Device Configuration",),
        "etsi_en_303_645": ("5.7-1",),
        "iec_62443_4_2": ("CR 3.4",),
        "cra_annex_i": ("I.2(f)", "I.2(j)"),
    },
    "mount_options": {
        "nist_800_53": ("CM-6", "CM-7"),
        "nistir_8259a": ("Device Configuration",),
        "etsi_en_303_645": (),
        "iec_62443_4_2": ("CR 7.7",),
        "cra_annex_i": ("I.2(j)",),
    },
    "console": {
        "nist_800_53": ("AC-3", "CM-7"),
        "nistir_8259a": ("Logical Access to Interfaces",),
        "etsi_en_303_645": ("5.6-1",),
        "iec_62443_4_2": ("CR 7.7",),
        "cra_annex_i": ("I.2(j)",),
    },
    "credential_files": {
        "nist_800_53": ("IA-5(6)", "AC-3", "AC-6"),
        "nistir_8259a": ("Data Protection", "Logical Access to Interfaces"),
        "etsi_en_303_645": ("5.4-1",),
        "iec_62443_4_2": ("CR 1.5", "CR 2.1"),
        "cra_annex_i": ("I.2(d)", "I.2(e)"),
    },
    "signed_code": {
        "nist_800_53": ("CM-14", "SI-7(15)"),
        "nistir_8259a": ("Software Update",),
        "etsi_en_303_645": ("5.3-2",),
        "iec_62443_4_2": ("EDR 3.10(1)",),
        "cra_annex_i": ("I.2(c)", "I.2(f)"),
    },
    "isolation": {
        "nist_800_53": ("SC-39(1)", "SC-3(1)"),
        "nistir_8259a": (),
        "etsi_en_303_645": (),
        "iec_62443_4_2": (),
        "cra_annex_i": ("I.2(j)",),
    },
    "configuration": {
        "nist_800_53": ("CM-6",),
        "nistir_8259a": ("Device Configuration",),
        "etsi_en_303_645": (),
        "iec_62443_4_2": (),
        "cra_annex_i": (),
    },
    # A site's own controls map to no other catalogue.
    SITE_TOPIC: {
        "nist_800_53": (),
        "nistir_8259a": (),
        "etsi_en_303_645": (),
        "iec_62443_4_2": (),
        "cra_annex_i": (),
    },
}

_CIS_DEBIAN_12 = {
    "credentials.files.permissions": ("5.1.2",),
    "storage.core_dumps.protected": ("1.5.3",),
    "code.packages.signed": ("1.2.1.1", "1.2.1.2"),
}


def mapping_of(control: Control) -> dict[str, list[str]]:
    """The ids of other catalogues that a control serves."""
    return {
        **{catalogue: list(ids) for catalogue, ids in TOPICS[control.topic].items()},
        "cis_debian_12": list(_CIS_DEBIAN_12.get(control.id, ())),
    }

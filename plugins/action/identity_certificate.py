# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import ISSUER
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import read_file
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.aws import FleetProvisioning, issued_by_aws
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import (
    IssuerSettings,
    issue,
    issued_by_command,
    load_request,
    new_ca,
    require_longer_than_renewal,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import StoreFiles
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

# 30 hexadecimal digits: OpenSSL's pkcs11-provider reads at most 31 from a file.
PIN_BYTES = 15
_CA, _CA_KEY = "identity/ca.pem", "identity/ca-key.pem"
_OPTIONS = {
    "ca": {
        **ISSUER,
        "required_together": [("certificate", "key")],
        "mutually_exclusive": [("certificate", "aws")],
    }
}


class ActionModule(SecretAction):
    """Make and escrow the PIN of the token, and issue the certificate that the device requests."""

    @property
    def kept_here(self) -> Collection[str]:
        return ("ca", "pin", "so_pin", "issued")

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        settings = self._issuer()
        own_ca = not (settings.aws or settings.command)
        if own_ca and self.probed["action"] == "request":
            life = timedelta(days=settings.days)
            require_longer_than_renewal(life, self._renew_before_days, "the CA of the devices")
        sent = {**arguments, **self._pins(store, str(arguments.get("token", "edgesec")))}
        result = self.call(sent)[0]
        request = result.pop("csr", None)
        if request is None or result.get("failed"):
            return result
        return self.call({**sent, "issued": self._issued(settings, store, request, arguments["common_name"])})[0]

    @property
    def _renew_before_days(self) -> int:
        """The option, with the module's own default."""
        return int(self._task.args.get("renew_before_days", 30))

    def _pins(self, store: FleetStore, token: str) -> dict[str, str]:
        """The PIN of the token, and its SO's PIN if the token will be created; both are escrowed before use."""
        if self._task.args.get("pin"):
            return {"pin": str(self._task.args["pin"])}
        names = {"pin": f"pkcs11-{token}-pin", "so_pin": f"pkcs11-{token}-so-pin"}
        known = {each: store.secret(self.host, name) for each, name in names.items()}
        if not self.probed["token_exists"]:
            for each in [each for each, pin in known.items() if pin is None]:
                made = secrets.token_hex(PIN_BYTES).encode()
                store.put_secret(self.host, names[each], made)
                known[each] = made
        pin, so_pin = known["pin"], known["so_pin"]
        if pin is None:
            raise EdgesecError(
                f"the token {token} of {self.host}",
                "was not created with this store, which does not know its PIN",
                "Set device_identity_pin (from a vault), or use the store that it was created with",
            )
        given = {"pin": pin.decode()}
        if so_pin is not None and not self.probed["token_exists"]:
            given["so_pin"] = so_pin.decode()
        return given

    def _issuer(self) -> IssuerSettings:
        validated = ArgumentSpecValidator(_OPTIONS).validate({"ca": self._task.args.get("ca")})
        if validated.error_messages:
            raise EdgesecError("the CA of the devices", "; ".join(validated.error_messages), "Correct the task")
        given = validated.validated_parameters["ca"] or {}
        return IssuerSettings(**{name: value for name, value in given.items() if value is not None})

    def _fleet_provisioning(self, given: Mapping[str, Any]) -> FleetProvisioning:
        files = {name: read_file(given[name], self._loader) for name in ("claim_certificate", "claim_key")}
        return FleetProvisioning(
            given["endpoint"],
            files["claim_certificate"],
            files["claim_key"],
            given["template"],
            {name: str(value) for name, value in given["parameters"].items()},
            given["port"],
            read_file(given["ca"], self._loader) if given["ca"] else b"",
        )

    def _issued(self, settings: IssuerSettings, store: FleetStore, pem: str, common_name: str) -> str:
        request = load_request(pem, common_name, str(self._task.args.get("key_type", "ec-p256")))
        before = self._renew_before_days
        if settings.aws:
            aws = self._fleet_provisioning(settings.aws)
            return issued_by_aws(aws, request, self.host, renew_before_days=before)
        if settings.command:
            return issued_by_command(settings.command, request, self.host, renew_before_days=before)
        if settings.certificate:
            ca, key = (read_file(path, self._loader) for path in (settings.certificate, settings.key))
            name = settings.certificate
        else:
            files = StoreFiles(str(store.path))
            # The certificate is written last: if it exists, so does its key.
            ca = files.made_once(_CA, lambda: dict(zip((_CA, _CA_KEY), new_ca(), strict=True)))
            key, name = files.get(_CA_KEY, f"lacks {_CA_KEY}", "Restore it from its backup"), _CA
        passphrase = settings.key_passphrase
        issued = issue(request, ca, key, settings.days, name=name, passphrase=passphrase, renew_before_days=before)
        store.note(self.host, "identity", "certificate issued")
        return issued

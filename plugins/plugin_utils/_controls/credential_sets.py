# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where well-known programs keep credentials, and who should own these files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError

# Each line has a path or pattern, then owner, group and mode unless they are root, root and 0600. A service that
# runs as its own user reads a file through the group that its package creates.
_SETS = {
    "ssh": """
        /etc/ssh/ssh_host_*_key
        /root/.ssh/id_rsa
        /root/.ssh/id_ecdsa
        /root/.ssh/id_ed25519
    """,
    "tls": """
        /etc/ssl/private/ssl-cert-*.key root ssl-cert 0640
        /etc/letsencrypt/archive/*/privkey*.pem
        /etc/pki/tls/private/*.key
    """,
    "network_manager": """
        /etc/NetworkManager/system-connections/*
    """,
    "wifi": """
        /etc/wpa_supplicant/*.conf
        /var/lib/iwd/*.psk
        /var/lib/iwd/*.8021x
        /var/lib/connman/*/settings
        /etc/hostapd/*.conf
        /etc/netplan/*.yaml
    """,
    "wireguard": """
        /etc/wireguard/*.conf
        /etc/wireguard/*.key
        /etc/systemd/network/*.netdev root systemd-network 0640
    """,
    "vpn": """
        /etc/openvpn/*.key
        /etc/openvpn/*/*.key
        /etc/ipsec.secrets
        /etc/ipsec.d/private/*
        /etc/swanctl/private/*
        /etc/swanctl/*/*.key
        /var/lib/tailscale/tailscaled.state
    """,
    "cloud": """
        /root/.aws/credentials
        /root/.config/gcloud/application_default_credentials.json
        /root/.config/gcloud/credentials.db
        /root/.azure/*.json
        /root/.azure/*.bin
        /etc/amazon/ssm/*.json
        /var/lib/amazon/ssm/Vault/Store/*
    """,
    "containers": """
        /root/.docker/config.json
        /root/.config/containers/auth.json
        /run/containers/0/auth.json
        /var/lib/kubelet/config.json
        /etc/kubernetes/*.conf
        /etc/kubernetes/pki/*.key
        /etc/rancher/k3s/k3s.yaml
        /var/lib/rancher/k3s/server/token
        /var/lib/rancher/k3s/server/tls/*.key
    """,
    "greengrass": """
        /greengrass/v2/privKey.key
        /greengrass/v2/private.pem.key
        /greengrass/v2/config/effectiveConfig.yaml
        /greengrass/config/config.json
        /greengrass/certs/*.key
    """,
    "mqtt": """
        /etc/mosquitto/*.key root mosquitto 0640
        /etc/mosquitto/certs/*.key root mosquitto 0640
        /etc/mosquitto/passwd root mosquitto 0640
    """,
    "systemd": """
        /var/lib/systemd/credential.secret root root 0400
        /etc/credstore/*
        /etc/credstore.encrypted/*
    """,
    "databases": """
        /var/lib/postgresql/*/*/server.key postgres postgres 0600
        /etc/redis/redis.conf redis redis 0640
        /etc/mysql/debian.cnf
        /root/.my.cnf
        /root/.pgpass
    """,
    "tokens": """
        /root/.netrc
        /root/.git-credentials
        /root/.npmrc
        /root/.pypirc
        /root/.vault-token
        /etc/apt/auth.conf
        /etc/apt/auth.conf.d/*.conf
    """,
    "histories": """
        /root/.bash_history
        /root/.zsh_history
        /root/.ash_history
        /root/.sh_history
        /root/.python_history
    """,
}
NAMES = tuple(_SETS)


def files_of_sets(names: Iterable[str]) -> list[dict[str, Any]]:
    """The files of the named sets, in the form of C(credentials_files).

    :raises EdgesecError: there is no such set.
    """
    files = []
    for name in names:
        if name not in _SETS:
            raise EdgesecError(f"the set of credentials {name!r}", "is not known", f"Choose from {', '.join(NAMES)}")
        for line in _SETS[name].split("\n"):
            path, *others = line.split() or [""]
            owner, group, mode = others or ("root", "root", "0600")
            files += [{"path": path, "owner": owner, "group": group, "mode": mode}] if path else []
    return files

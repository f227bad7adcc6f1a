# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies at each place that a set of credentials names, as the program writes it."""

from __future__ import annotations

import base64
import json
import random
from typing import NamedTuple

from tests.support.planted import secrets
from tests.support.planted_programs import keys

_BY_NAME = {each.name: each.data for each in (*secrets(), *keys(random.Random(0)))}
PASSWORD = b"k9Tmq4Zw81pLx"
_PEM, _OPENSSH, _CURVE = _BY_NAME["key.pem"], _BY_NAME["id_rsa"], base64.b64encode(bytes(range(16, 48)))
_MSAL = json.dumps(
    {"RefreshToken": {"x": {"secret": "0.AXoA" + "k9Tmq4Zw81pLx" * 4, "credential_type": "RefreshToken"}}}
)
_PSK = b"ssid=edge\nwpa=2\nwpa_passphrase=" + PASSWORD + b"\n"


class Place(NamedTuple):
    """A file at a place that a set names.

    :ivar declared: the line of the set, without owner and mode.
    :ivar name: of the file, where the declaration is a pattern.
    """

    declared: str
    name: str
    data: bytes
    kind: str


PLACES = (
    Place("/etc/ssh/ssh_host_*_key", "ssh_host_rsa_key", _OPENSSH, "openssh"),
    Place("/root/.ssh/id_rsa", "id_rsa", _OPENSSH, "openssh"),
    Place("/root/.ssh/id_ecdsa", "id_ecdsa", _OPENSSH, "openssh"),
    Place("/root/.ssh/id_ed25519", "id_ed25519", _OPENSSH, "openssh"),
    Place("/etc/ssl/private/ssl-cert-*.key", "ssl-cert-snakeoil.key", _PEM, "pkcs8"),
    Place("/etc/letsencrypt/archive/*/privkey*.pem", "privkey1.pem", _PEM, "pkcs8"),
    Place("/etc/pki/tls/private/*.key", "localhost.key", _PEM, "pkcs8"),
    Place(
        "/etc/NetworkManager/system-connections/*",
        "eap.nmconnection",
        b"[connection]\nid=x\n[802-1x]\neap=peap;\nidentity=edge\npassword=" + PASSWORD + b"\n",
        "wifi",
    ),
    Place(
        "/etc/NetworkManager/system-connections/*",
        "lte",
        b"[connection]\nid=x\ntype=gsm\n[gsm]\napn=iot\npassword=" + PASSWORD + b"\n",
        "network_password",
    ),
    Place(
        "/etc/NetworkManager/system-connections/*",
        "wg0.nmconnection",
        b"[connection]\nid=wg0\n[wireguard]\nprivate-key=" + _CURVE + b"\n",
        "wireguard",
    ),
    Place(
        "/etc/wpa_supplicant/*.conf",
        "wpa.conf",
        b'network={\n ssid="x"\n key_mgmt=WPA-EAP\n password="' + PASSWORD + b'"\n}\n',
        "wifi",
    ),
    Place("/var/lib/iwd/*.psk", "edge.psk", b"[Security]\nPassphrase=" + PASSWORD + b"\n", "wifi"),
    Place(
        "/var/lib/iwd/*.8021x", "edge.8021x", b"[Security]\nEAP-Method=PEAP\nEAP-Password=" + PASSWORD + b"\n", "wifi"
    ),
    Place("/var/lib/connman/*/settings", "settings", b"[wifi_00_psk]\nName=x\nPassphrase=" + PASSWORD + b"\n", "wifi"),
    Place("/etc/hostapd/*.conf", "hostapd.conf", _PSK, "wifi"),
    Place(
        "/etc/netplan/*.yaml",
        "60.yaml",
        b"network:\n  tunnels:\n    wg0:\n      mode: wireguard\n      key: " + _CURVE + b"\n",
        "wireguard",
    ),
    Place("/etc/wireguard/*.conf", "wg0.conf", b"[Interface]\nprivatekey=" + _CURVE + b" # key\n", "wireguard"),
    Place(
        "/etc/systemd/network/*.netdev",
        "wg0.netdev",
        b"[NetDev]\nKind=wireguard\n[WireGuard]\nPrivateKey=" + _CURVE + b"\n",
        "wireguard",
    ),
    Place(
        "/etc/openvpn/*.key",
        "ta.key",
        b"-----BEGIN OpenVPN Static key V1-----\n"
        + b"5553c3827f0306ec71b8a0e3cfb0ba04\n" * 16
        + b"-----END OpenVPN Static key V1-----\n",
        "vpn",
    ),
    Place("/etc/openvpn/*/*.key", "client.key", _PEM, "pkcs8"),
    Place("/etc/ipsec.secrets", "ipsec.secrets", b': PSK "' + PASSWORD + b'"\nedge : EAP ' + PASSWORD + b"\n", "vpn"),
    Place("/etc/ipsec.d/private/*", "device.pem", _PEM, "pkcs8"),
    Place("/etc/swanctl/private/*", "device.der", _BY_NAME["key.der"], "pkcs8"),
    Place("/etc/swanctl/*/*.key", "device.key", _PEM, "pkcs8"),
    Place("/var/lib/tailscale/tailscaled.state", "tailscaled.state", _BY_NAME["tailscaled.state"], "tailscale"),
    Place("/root/.aws/credentials", "credentials", _BY_NAME["credentials"], "aws"),
    Place("/root/.config/gcloud/application_default_credentials.json", "adc.json", _BY_NAME["authorized.json"], "gcp"),
    Place(
        "/root/.config/gcloud/credentials.db",
        "credentials.db",
        b"SQLite format 3\0" + bytes(80) + _BY_NAME["authorized.json"],
        "gcp",
    ),
    Place("/root/.azure/*.json", "msal_token_cache.json", _MSAL.encode(), "azure"),
    Place("/root/.azure/*.bin", "msal_token_cache.bin", _MSAL.encode(), "azure"),
    Place("/root/.docker/config.json", "config.json", _BY_NAME[".docker/config.json"], "docker_auth"),
    Place("/root/.config/containers/auth.json", "auth.json", _BY_NAME[".docker/config.json"], "docker_auth"),
    Place("/run/containers/0/auth.json", "auth.json", _BY_NAME[".docker/config.json"], "docker_auth"),
    Place("/var/lib/kubelet/config.json", "config.json", _BY_NAME[".docker/config.json"], "docker_auth"),
    Place("/etc/kubernetes/*.conf", "admin.conf", _BY_NAME["kubeconfig"], "kubeconfig"),
    Place(
        "/etc/kubernetes/*.conf",
        "token.conf",
        b"apiVersion: v1\nkind: Config\ncurrent-context: edge\nusers:\n- name: edge\n  user:\n    token: eyJ"
        + PASSWORD * 4
        + b"\n",
        "kubeconfig",
    ),
    Place("/etc/kubernetes/pki/*.key", "ca.key", _BY_NAME["rsa.pem"], "pkcs1_rsa"),
    Place("/etc/rancher/k3s/k3s.yaml", "k3s.yaml", _BY_NAME["kubeconfig"], "kubeconfig"),
    Place(
        "/var/lib/rancher/k3s/server/token",
        "token",
        b"K10" + b"0123456789abcdef" * 4 + b"::server:" + PASSWORD + b"\n",
        "kubernetes",
    ),
    Place("/var/lib/rancher/k3s/server/tls/*.key", "client.key", _BY_NAME["ec.pem"], "sec1_ec"),
    Place("/greengrass/v2/privKey.key", "privKey.key", _PEM, "pkcs8"),
    Place("/greengrass/v2/private.pem.key", "private.pem.key", _PEM, "pkcs8"),
    Place(
        "/greengrass/v2/config/effectiveConfig.yaml", "effectiveConfig.yaml", _BY_NAME["greengrass.yaml"], "pkcs11_pin"
    ),
    Place(
        "/greengrass/config/config.json",
        "config.json",
        b'{"crypto": {"PKCS11": {"slotUserPin": "k9Tmq4Zw"}}}',
        "pkcs11_pin",
    ),
    Place("/greengrass/certs/*.key", "device.key", _PEM, "pkcs8"),
    Place("/etc/mosquitto/*.key", "server.key", _PEM, "pkcs8"),
    Place("/etc/mosquitto/certs/*.key", "server.key", _PEM, "pkcs8"),
    Place(
        "/etc/mosquitto/passwd",
        "passwd",
        b"edge:$7$101$cd9vv+DzEIq68wjp$" + base64.b64encode(bytes(range(64))) + b"\n",
        "password_hash",
    ),
    Place(
        "/var/lib/systemd/credential.secret", "credential.secret", _BY_NAME["credential.secret"], "systemd_credential"
    ),
    Place("/var/lib/postgresql/*/*/server.key", "server.key", _PEM, "pkcs8"),
    Place("/etc/redis/redis.conf", "redis.conf", b"port 6379\nrequirepass " + PASSWORD + b"\n", "redis"),
    Place(
        "/etc/mysql/debian.cnf", "debian.cnf", b"[client]\nhost = localhost\npassword = " + PASSWORD + b"\n", "mysql"
    ),
    Place("/root/.my.cnf", ".my.cnf", b"[client]\nuser=root\npassword=" + PASSWORD + b"\n", "mysql"),
    Place("/root/.pgpass", ".pgpass", _BY_NAME[".pgpass"], "pgpass"),
    Place("/root/.netrc", ".netrc", _BY_NAME[".netrc"], "netrc"),
    Place("/root/.git-credentials", ".git-credentials", _BY_NAME[".git-credentials"], "git_credentials"),
    Place("/root/.npmrc", ".npmrc", b"//registry.edge/:_authToken=" + PASSWORD + b"\n", "api_token"),
    Place("/root/.pypirc", ".pypirc", b"[pypi]\nusername = edge\npassword = " + PASSWORD + b"\n", "api_token"),
    Place("/root/.vault-token", ".vault-token", b"hvs." + PASSWORD * 3, "api_token"),
    Place("/etc/apt/auth.conf", "auth.conf", b"machine apt.edge\nlogin edge\npassword " + PASSWORD + b"\n", "netrc"),
    Place(
        "/etc/apt/auth.conf.d/*.conf",
        "edge.conf",
        b"# apt\nmachine apt.edge login edge password " + PASSWORD + b"\n",
        "netrc",
    ),
    *(
        Place(f"/root/.{shell}_history", f".{shell}_history", _BY_NAME[".bash_history"], "shell_history")
        for shell in ("bash", "zsh", "ash", "sh", "python")
    ),
)
# Of the same programs and of others, at places that no set names.
OTHERS = (
    Place("", "bridge.conf", b"connection edge\nremote_username a\nremote_password " + PASSWORD + b"\n", "mqtt"),
    Place("", "chap-secrets", b"edge * " + PASSWORD + b" *\n", "ppp"),
    Place("", "wep.conf", b'network={\n ssid="x"\n wep_key0="' + PASSWORD + b'"\n}\n', "wifi"),
    Place("", "wireless", b"config wifi-iface\n\toption ssid 'x'\n\toption key '" + PASSWORD + b"'\n", "wifi"),
    Place("", "swanctl.conf", b"secrets {\n  ike-1 {\n    secret = " + PASSWORD + b"\n  }\n}\n", "vpn"),
    Place("", "x.config", b"[service_x]\nType = wifi\nPassphrase = " + PASSWORD + b"\n", "wifi"),
    Place("", "secret.yaml", b"kind: Secret\ndata:\n  a: " + base64.b64encode(PASSWORD) + b"\n", "kubernetes"),
    Place("", "rndc.key", b'key "k" {\n  algorithm hmac-sha256;\n  secret "' + _CURVE + b'";\n};\n', "dnssec"),
    Place("", "WG.conf", b"[Interface]\nPRIVATEKEY = " + _CURVE + b"\n", "wireguard"),
    Place("", "client.ovpn", b"<auth-user-pass>\nedge\n" + PASSWORD + b"\n</auth-user-pass>\n", "vpn"),
    Place("", "radius.conf", b"auth_server_shared_secret=" + PASSWORD + b"\n", "wifi"),
    Place(
        "", "vpn.nmconnection", b"[connection]\nid=v\n[vpn-secrets]\npassword=" + PASSWORD + b"\n", "network_password"
    ),
)
# Encrypted by what holds them, or of any content: there is nothing by which to tell a copy.
WITHOUT_FORM = frozenset(
    {
        "/etc/amazon/ssm/*.json",
        "/var/lib/amazon/ssm/Vault/Store/*",
        "/etc/credstore/*",
        "/etc/credstore.encrypted/*",
        "/etc/wireguard/*.key",
    }
)

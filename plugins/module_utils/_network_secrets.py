# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of secrets in the configuration of networks: Wi-Fi, VPN, modems and dial-up.

wpa_supplicant.conf(5), hostapd.conf, iwd.network(5), connman-service.config(5), nm-settings-keyfile(5), netplan(5),
wg-quick(8), systemd.netdev(5), ipsec.secrets(5), swanctl.conf(5), openvpn(8), pppd(8), and the options of OpenWrt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._setting_values import Readers, by, keys_of, values, within

_KEY = rb"[\"']?([A-Za-z0-9+/]{43}=)[\"']?\s*(?:[#;].*)?$"
# wg takes the names of options in any case; so do the three others that have one of their own.
_WIREGUARD = re.compile(
    rb"(?mi)^\s*(?:WireGuard\.)?(?:PrivateKey|private-key)\s*=\s*" + _KEY + rb"|^\s*option\s+private_key\s+" + _KEY
)
_NETPLAN_WIREGUARD = re.compile(rb"(?m)^\s+(?:key|private|private-key):\s*" + _KEY)
_IS_WIREGUARD = re.compile(rb"\bwireguard\b")

# wpa_supplicant and hostapd.
_WPA = re.compile(
    rb"(?m)^\s*(?:psk|password|sae_password|private_key2?_passwd|wep_key[0-3]|pin|passphrase)=(\"[^\"\n]{1,128}\"|[^\"\s]{5,128})\s*$"
)
_HOSTAPD = re.compile(
    rb"(?m)^\s*(?:wpa_passphrase|wpa_psk|sae_password|wep_key[0-3]|(?:auth|acct)_server_shared_secret"
    rb"|private_key_passwd|ap_pin)=([^\n]{5,256}?)\s*$"
)
_HOSTAPD_PSK = re.compile(rb"(?m)^(?:[\w-]+=\S+\s+)*(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\s+([^\n]{8,64})$")
_IWD = re.compile(
    rb"(?m)^\s*(?:Passphrase|PreSharedKey|EAP-Password|[\w-]+-(?:Password|KeyPassphrase))\s*=\s*([^\n]{4,256}?)\s*$"
)
_CONNMAN = re.compile(
    rb"(?m)^\s*(?:Passphrase|PrivateKeyPassphrase|(?:[A-Za-z0-9]+\.)(?:Password|AuthUserPass|Xauth\.Password|IPSec\.Secret))"
    rb"\s*=\s*([^\n]{4,256}?)\s*$"
)
_NM_WIFI = re.compile(
    rb"(?m)^\s*(?:psk|leap-password|wep-key[0-3])\s*=\s*([^\n]{5,256}?)\s*$"
    rb"|^\s*\[802-1x\]\s*(?:\n(?!\s*\[)[^\n]*){0,40}?\n\s*(?:password|password-raw|pin|(?:phase2-)?private-key-password)\s*=\s*([^\n]{4,256}?)\s*$"
)
_NM_OTHER = re.compile(
    rb"(?m)^\s*\[(?:gsm|cdma|adsl|pppoe|macsec|vpn-secrets|wireguard-peer\.[^\]\n]{1,64})\]\s*"
    rb"(?:\n(?!\s*\[)[^\n]*){0,40}?\n\s*(?:[\w -]*password|pin|mka-cak|preshared-key|secret)\s*=\s*([^\n]{4,256}?)\s*$"
    rb"|^\s*\[vpn-secrets\][ \t]*\n\s*[\w. -]+=([^\n]{4,256}?)\s*$"
)
_NETPLAN = re.compile(
    rb"(?m)^\s+(?:password|psk|client-key-password):\s*(\"[^\"\n]{8,64}\"|'[^'\n]{8,64}'|[^\s#\"'][^\n#]{7,63})\s*$"
)
_OPENWRT = re.compile(
    rb"(?m)^\s*option\s+(?:key[1-4]?|sae_password|auth_secret|password)\s+['\"]?([^\s'\"]{5,128})['\"]?\s*$"
)

_IPSEC = re.compile(
    rb"(?m)^[^#\n]{0,256}:\s*(?:PSK|EAP|XAUTH|NTLM)\s+(\"[^\"\n]{1,512}\"|0[xs][A-Za-z0-9+/=]{8,512})\s*(?:#.*)?$"
    rb"|^[^#\n]{0,256}:\s*(?:RSA|ECDSA|BLISS|PKCS8|P12)\s+\S{1,256}\s+(\"[^\"\n]{1,512}\")\s*$"
    rb"|^\s*PrivateExponent:\s*(0[xs][A-Za-z0-9+/=]{64,8192})\s*$"
)
# In a file of that name a passphrase needs no quotes.
_IPSEC_NAMED = re.compile(rb"(?m)^[^#\n]{0,256}:\s*(?:(?:PSK|EAP|XAUTH|NTLM)|PIN\s+\S{1,256})\s+([^\s\"#]{1,512})\s*$")
_SWANCTL = re.compile(rb"(?m)^\s*(?:secret|pin)\s*=\s*([^\n#]{1,512}?)\s*(?:#.*)?$")
_OPENVPN = re.compile(
    rb"-----BEGIN OpenVPN Static key V1-----\s{1,4}((?:[0-9a-fA-F]{32}\s{1,8}){16})-----END OpenVPN Static key V1-----"
    rb"|-----BEGIN OpenVPN tls-crypt-v2 (?:client|server) key-----\s{1,4}([A-Za-z0-9+/=\s]{100,8192})-----END"
    rb"|<auth-user-pass>\s{1,4}\S{1,128}\s{1,4}(\S{1,128})\s{1,4}</auth-user-pass>"
)
_OPENVPN_LOGIN = re.compile(rb"\s*\S{1,128}[ \t]*\r?\n(\S{4,128})[ \t]*\r?\n?\s*")
# Client, server, secret, addresses.
_PPP = re.compile(
    rb"(?m)^\s*(?:\"[^\"\n]{0,128}\"|[^\s#\"]{1,128})\s+(?:\"[^\"\n]{0,128}\"|[^\s#\"]{1,128})\s+(\"[^\"\n]{1,128}\"|[^\s#\"]{1,128})(?:\s|$)"
)


def openvpn_login(data: bytes) -> Iterator[bytes]:
    """The password in a file of two lines that C(auth-user-pass) names."""
    if _OPENVPN_LOGIN.fullmatch(data):
        yield from values(_OPENVPN_LOGIN, data)


NETWORK_READERS: Readers = (
    (b"PrivateKey", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"PRIVATEKEY", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"[Interface]", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"[interface]", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"[INTERFACE]", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"[wireguard]", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"option private_key", "wireguard", keys_of(_WIREGUARD, 32)),
    (b"network={", "wifi", by(_WPA)),
    (b"cred={", "wifi", by(_WPA)),
    (b"wpa_passphrase=", "wifi", by(_HOSTAPD)),
    (b"wpa_psk=", "wifi", by(_HOSTAPD)),
    (b"sae_password=", "wifi", by(_HOSTAPD)),
    (b"wep_key", "wifi", by(_HOSTAPD)),
    (b"_shared_secret=", "wifi", by(_HOSTAPD)),
    (b"ap_pin=", "wifi", by(_HOSTAPD)),
    (b"[wifi-security]", "wifi", by(_NM_WIFI)),
    (b"[802-1x]", "wifi", by(_NM_WIFI)),
    (b"[802-11-wireless-security]", "wifi", by(_NM_WIFI)),
    (b"[connection]", "network_password", by(_NM_OTHER)),
    (b"[Security]", "wifi", by(_IWD)),
    (b"[wifi_", "wifi", by(_CONNMAN)),
    (b"[service_", "wifi", by(_CONNMAN)),
    (b"[provider_", "vpn", by(_CONNMAN)),
    (b"access-points:", "wifi", by(_NETPLAN)),
    (b"key-management:", "wifi", by(_NETPLAN)),
    (b"config wifi-iface", "wifi", by(_OPENWRT)),
    (b" PSK ", "vpn", by(_IPSEC)),
    (b" EAP ", "vpn", by(_IPSEC)),
    (b"PrivateExponent:", "vpn", by(_IPSEC)),
    (b"secrets {", "vpn", by(_SWANCTL)),
    (b"-----BEGIN OpenVPN ", "vpn", by(_OPENVPN)),
    (b"<auth-user-pass>", "vpn", by(_OPENVPN)),
)
# By what the file is called.
NAMED_NETWORK_READERS = (
    (re.compile(r".*\.ya?ml"), "wireguard", within(_IS_WIREGUARD, keys_of(_NETPLAN_WIREGUARD, 32))),
    (re.compile(r"(?:.*[._-])?wpa_psk"), "wifi", by(_HOSTAPD_PSK)),
    (re.compile(r"(?:.*[._-])?(?:chap|pap|srp)-secrets"), "ppp", by(_PPP)),
    (re.compile(r"(?:.*[._-])?ipsec.*\.secrets"), "vpn", by(_IPSEC_NAMED)),
    (re.compile(r"(?:.*[._-])?auth-user-pass.*"), "vpn", openvpn_login),
)

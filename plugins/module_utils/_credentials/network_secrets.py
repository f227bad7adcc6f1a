# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of secrets in network configuration: Wi-Fi, VPN, modems and dial-up.

wpa_supplicant.conf(5), hostapd.conf, iwd.network(5), connman-service.config(5), nm-settings-keyfile(5), netplan(5),
wg-quick(8), systemd.netdev(5), ipsec.secrets(5), swanctl.conf(5), openvpn(8), pppd(8), and the options of OpenWrt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .setting_values import Readers, by, keys_of, values, within

_KEY = rb"[\"']?([A-Za-z0-9+/]{43}=)[\"']?\s{0,64}(?:[#;].*)?$"
# wg accepts option names in any case; so do the three other programs with such an option.
_WIREGUARD = re.compile(
    rb"(?mi)^[ \t]{0,64}(?:WireGuard\.)?(?:PrivateKey|private-key)\s{0,64}=\s{0,64}"
    + _KEY
    + rb"|^[ \t]{0,64}option\s{1,64}private_key\s{1,64}"
    + _KEY
)
_NETPLAN_WIREGUARD = re.compile(rb"(?m)^[ \t]{1,64}(?:key|private|private-key):\s{0,64}" + _KEY)
_IS_WIREGUARD = re.compile(rb"\bwireguard\b")

# What precedes an option's name, surrounds its equals sign, and follows its value.
_BEGIN, _IS, _END = rb"(?m:^)[ \t]{0,64}", rb"[ \t]{0,64}=[ \t]{0,64}", rb"[ \t\r]{0,64}(?m:$)"
# The lines of a section before the wanted one.
_LINES = rb"[ \t\r]{0,64}(?:\n(?![ \t]{0,64}\[)[^\n]*){0,40}?\n[ \t]{0,64}"
_QUOTED = rb"\"[^\"\n]{1,512}\""

# wpa_supplicant and hostapd.
_WPA = re.compile(
    _BEGIN + rb"(?:psk|password|sae_password|private_key2?_passwd|wep_key[0-3]|pin|passphrase)="
    rb"(\"[^\"\n]{1,128}\"|[^\"\s]{5,128})" + _END
)
_HOSTAPD = re.compile(
    _BEGIN + rb"(?:wpa_passphrase|wpa_psk|sae_password|wep_key[0-3]|(?:auth|acct)_server_shared_secret"
    rb"|private_key_passwd|ap_pin)=([^\n]{5,256}?)" + _END
)
_HOSTAPD_PSK = re.compile(
    rb"(?m)^(?:[\w-]{1,32}=\S{1,64}[ \t]{1,64}){0,4}(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}[ \t]{1,64}([^\n]{8,64})$"
)
_IWD = re.compile(
    _BEGIN
    + rb"(?:Passphrase|PreSharedKey|EAP-Password|[\w-]{1,64}-(?:Password|KeyPassphrase))"
    + _IS
    + rb"([^\n]{4,256}?)"
    + _END
)
_CONNMAN = re.compile(
    _BEGIN + rb"(?:Passphrase|PrivateKeyPassphrase"
    rb"|[A-Za-z0-9]{1,32}\.(?:Password|AuthUserPass|Xauth\.Password|IPSec\.Secret))" + _IS + rb"([^\n]{4,256}?)" + _END
)
_NM_WIFI = re.compile(
    _BEGIN
    + rb"(?:psk|leap-password|wep-key[0-3])"
    + _IS
    + rb"([^\n]{5,256}?)"
    + _END
    + rb"|"
    + _BEGIN
    + rb"\[802-1x\]"
    + _LINES
    + rb"(?:password|password-raw|pin|(?:phase2-)?private-key-password)"
    + _IS
    + rb"([^\n]{4,256}?)"
    + _END
)
_NM_OTHER = re.compile(
    _BEGIN
    + rb"\[(?:gsm|cdma|adsl|pppoe|macsec|vpn-secrets|wireguard-peer\.[^\]\n]{1,64})\]"
    + _LINES
    + rb"(?:[\w -]{0,64}password|pin|mka-cak|preshared-key|secret)"
    + _IS
    + rb"([^\n]{4,256}?)"
    + _END
    + rb"|"
    + _BEGIN
    + rb"\[vpn-secrets\][ \t]{0,64}\n[ \t]{0,64}[\w. -]{1,64}=([^\n]{4,256}?)"
    + _END
)
_NETPLAN = re.compile(
    rb"(?m:^)[ \t]{1,64}(?:password|psk|client-key-password):[ \t]{0,64}"
    rb"(\"[^\"\n]{8,64}\"|'[^'\n]{8,64}'|[^\s#\"'][^\n#]{7,63})" + _END
)
_OPENWRT = re.compile(
    _BEGIN + rb"option[ \t]{1,64}(?:key[1-4]?|sae_password|auth_secret|password)[ \t]{1,64}"
    rb"['\"]?([^\s'\"]{5,128})['\"]?" + _END
)

_IPSEC = re.compile(
    rb"(?m)^[^#\n]{0,256}:[ \t]{0,64}(?:PSK|EAP|XAUTH|NTLM)[ \t]{1,64}("
    + _QUOTED
    + rb"|0[xs][A-Za-z0-9+/=]{8,512})[ \t]{0,64}(?:#.*)?$"
    rb"|^[^#\n]{0,256}:[ \t]{0,64}(?:RSA|ECDSA|BLISS|PKCS8|P12)[ \t]{1,64}\S{1,256}[ \t]{1,64}("
    + _QUOTED
    + rb")"
    + _END
    + rb"|"
    + _BEGIN
    + rb"PrivateExponent:[ \t]{0,64}(0[xs][A-Za-z0-9+/=]{64,8192})"
    + _END
)
# In a file named like this a passphrase needs no quotes.
_IPSEC_NAMED = re.compile(
    rb"(?m:^)[^#\n]{0,256}:[ \t]{0,64}(?:(?:PSK|EAP|XAUTH|NTLM)|PIN[ \t]{1,64}\S{1,256})[ \t]{1,64}"
    rb"([^\s\"#]{1,512})" + _END
)
_SWANCTL = re.compile(_BEGIN + rb"(?:secret|pin)" + _IS + rb"([^\n#]{1,512}?)[ \t\r]{0,64}(?m:(?:#.*)?$)")
_OPENVPN = re.compile(
    rb"-----BEGIN OpenVPN Static key V1-----\s{1,4}((?:[0-9a-fA-F]{32}\s{1,8}){16})-----END OpenVPN Static key V1-----"
    rb"|-----BEGIN OpenVPN tls-crypt-v2 (?:client|server) key-----\s{1,4}([A-Za-z0-9+/=\s]{100,8192})-----END"
    rb"|<auth-user-pass>\s{1,4}\S{1,128}\s{1,4}(\S{1,128})\s{1,4}</auth-user-pass>"
)
_OPENVPN_LOGIN = re.compile(rb"\s{0,64}\S{1,128}[ \t]{0,64}\r?\n(\S{4,128})[ \t]{0,64}\r?\n?\s{0,64}")
# Client, server, secret, addresses.
_WORD = rb"(?:\"[^\"\n]{0,128}\"|[^\s#\"]{1,128})"
_PPP = re.compile(_BEGIN + _WORD + rb"[ \t]{1,64}" + _WORD + rb"[ \t]{1,64}(" + _WORD + rb")(?m:[ \t\r]|$)")


def openvpn_login(data: bytes) -> Iterator[bytes]:
    """Yield the password from a two-line C(auth-user-pass) file."""
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
# Readers chosen by file name.
NAMED_NETWORK_READERS = (
    (re.compile(r".*\.ya?ml"), "wireguard", within(_IS_WIREGUARD, keys_of(_NETPLAN_WIREGUARD, 32))),
    (re.compile(r"(?:.*[._-])?wpa_psk"), "wifi", by(_HOSTAPD_PSK)),
    (re.compile(r"(?:.*[._-])?(?:chap|pap|srp)-secrets"), "ppp", by(_PPP)),
    (re.compile(r"(?:.*[._-])?ipsec.*\.secrets"), "vpn", by(_IPSEC_NAMED)),
    (re.compile(r"(?:.*[._-])?auth-user-pass.*"), "vpn", openvpn_login),
)

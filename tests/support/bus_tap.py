# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A listener between tpm2-tools and the TPM: everything that passes, and which sessions carry secrets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_START_AUTH_SESSION, _CREATE, _UNSEAL = 0x176, 0x153, 0x15E
_NULL_HANDLE = 0x40000007
_DECRYPT, _ENCRYPT = 0x20, 0x40
# The attribute that encrypts the secret: it is a parameter of one command, and of the response to the other.
_CARRIERS = {_CREATE: _DECRYPT, _UNSEAL: _ENCRYPT}


@dataclass(frozen=True)
class Carrier:
    """A command that carries a secret, and whether a listener is kept from it."""

    command: int
    salted: bool
    encrypted: bool


@dataclass
class BusTap:
    """Forwards two neighbouring ports (commands, control) to a TPM, and keeps what passes on the first."""

    target: int
    port: int
    commands: bytearray = field(default_factory=bytearray)
    responses: bytearray = field(default_factory=bytearray)

    def start(self) -> None:
        for offset in (0, 1):
            server = socket.create_server(("127.0.0.1", self.port + offset))
            threading.Thread(target=self._accept, args=(server, offset), daemon=True).start()

    def carriers(self) -> list[Carrier]:
        """The commands that carry a secret, in order."""
        salted = set()
        found = []
        for command, response in zip(_packets(self.commands), _packets(self.responses), strict=True):
            code = int.from_bytes(command[6:10], "big")
            if code == _START_AUTH_SESSION and int.from_bytes(command[10:14], "big") != _NULL_HANDLE:
                nonce = int.from_bytes(command[18:20], "big")
                if int.from_bytes(command[20 + nonce : 22 + nonce], "big") > 0:
                    salted.add(response[10:14])
            if code in _CARRIERS:
                session, nonce = command[18:22], int.from_bytes(command[22:24], "big")
                attributes = command[24 + nonce]
                found.append(Carrier(code, session in salted, bool(attributes & _CARRIERS[code])))
        return found

    def _accept(self, server: socket.socket, offset: int) -> None:
        while True:
            client, _address = server.accept()
            upstream = socket.create_connection(("127.0.0.1", self.target + offset))
            for source, sink, kept in ((client, upstream, self.commands), (upstream, client, self.responses)):
                target = kept if offset == 0 else bytearray()
                threading.Thread(target=self._pump, args=(source, sink, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        try:
            while data := source.recv(65536):
                kept += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # The other side was first to hang up.
            return


def _packets(stream: bytearray) -> Iterator[bytes]:
    at = 0
    while at < len(stream):
        size = int.from_bytes(stream[at + 2 : at + 6], "big")
        yield bytes(stream[at : at + size])
        at += size

# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The place of a Greengrass on a device that has a key in a token, and Java's own reader of tokens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.identity_board import PIN, Board
from tests.support.module_runner import Result, run_module
from tests.support.namespace import Namespace

# What the component of the classic nucleus does with its settings: SunPKCS11 by name, library and slot, and the entry
# of the label. The PIN comes by standard input.
JAVA = """\
import java.security.*;
import java.security.cert.X509Certificate;

class Nucleus {
    public static void main(String[] given) throws Exception {
        String settings = "--name=" + given[0] + "\\nlibrary=" + given[1] + "\\nslot=" + given[2];
        Provider provider = Security.getProvider("SunPKCS11").configure(settings);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        char[] pin = new String(System.in.readAllBytes(), "UTF-8").toCharArray();
        store.load(null, pin);
        PrivateKey key = (PrivateKey) store.getKey(given[3], pin);
        X509Certificate certificate = (X509Certificate) store.getCertificateChain(given[3])[0];
        String name = key.getAlgorithm().equals("RSA") ? "SHA256withRSA" : "SHA256withECDSA";
        Signature signature = Signature.getInstance(name, provider);
        signature.initSign(key);
        signature.update(given[3].getBytes("UTF-8"));
        byte[] signed = signature.sign();
        Signature verifier = Signature.getInstance(name);
        verifier.initVerify(certificate.getPublicKey());
        verifier.update(given[3].getBytes("UTF-8"));
        System.out.println(key.getAlgorithm() + " " + verifier.verify(signed) + " " + certificate.getSerialNumber());
    }
}
"""
# Stands for the nucleus, which no test has: it takes a configuration as it is documented, unless it is told not to.
INSTALLED = """\
import java.nio.file.*;
import java.util.regex.*;

class Greengrass {
    public static void main(String[] given) throws Exception {
        Path root = Path.of(System.getProperty("root")), config = root.resolve("config");
        if (given.length != 4 || !given[0].equals("--start") || !given[1].equals("false")
                || !given[2].equals("--init-config")) {
            throw new IllegalArgumentException(String.join(" ", given));
        }
        Files.writeString(config.resolve("config.tlog"), "half of it");
        if (Files.exists(root.resolve("fails"))) {
            System.exit(1);
        }
        StringBuilder system = new StringBuilder("---\\nsystem:\\n"), settings = new StringBuilder();
        Pattern setting = Pattern.compile("\\"(\\\\w+)\\": (\\"[^\\"]*\\"|\\\\d+)");
        Matcher found = setting.matcher(Files.readString(Path.of(given[3])));
        while (found.find()) {
            boolean ofSystem = found.group(1).endsWith("Path");
            String line = found.group(1) + ": " + found.group(2) + "\\n";
            (ofSystem ? system.append("  ") : settings.append("      ")).append(line);
        }
        if (!Files.exists(root.resolve("ignores"))) {
            Files.writeString(config.resolve("effectiveConfig.yaml"), system
                + "services:\\n  aws.greengrass.crypto.Pkcs11Provider:\\n    configuration:\\n" + settings);
        }
    }
}
"""
# Stands for systemd, which does not run where this test does: it keeps what it is asked, and tells a state.
SYSTEMCTL = """\
#!/bin/sh
case "$1" in
    show) cat {directory}/state ;;
    *) echo "$*" >> {directory}/asked ;;
esac
"""
OBJECTS = (
    "print(json.dumps([[session.attribute(h, k).hex() for k in (p11.LABEL, p11.ID, p11.VALUE)]"
    " for h in session.find({p11.CLASS: p11.CERTIFICATE})]))"
)


def compiled(directory: Path) -> Path:
    """What stands for the nucleus, as a program of Java."""
    source, jar = directory / "Greengrass.java", directory / "Greengrass.jar"
    source.write_text(INSTALLED)
    subprocess.run(["javac", "-d", str(directory / "classes"), str(source)], check=True)
    made = ["jar", "--create", "--file", str(jar), "--main-class", "Greengrass"]
    subprocess.run([*made, "-C", str(directory / "classes"), "."], check=True)
    return jar


class Classic:
    """A classic nucleus that was installed with its key in a file, on a device with a key in a token."""

    def __init__(self, board: Board, space: Namespace) -> None:
        self.board, self.space = board, space
        self.units = board.directory / "units"
        self.units.mkdir()
        space.run("mount", "--bind", str(self.units), "/etc/systemd/system")
        self.root = board.directory / "greengrass" / "v2"
        self.init = board.directory / "edgesec" / "init.yaml"
        (self.root / "config").mkdir(parents=True)
        self.effective = self.root / "config" / "effectiveConfig.yaml"
        self.effective.write_text('---\nsystem:\n  privateKeyPath: "/greengrass/v2/privKey.key"\n')

    @property
    def arguments(self) -> dict[str, Any]:
        named = ("library", "environment", "certificate", "pin_file")
        return {
            **{name: self.board.arguments[name] for name in named},
            "root": str(self.root),
            "init_config": str(self.init),
        }

    def module(self, check: bool = False, **more: Any) -> Result:
        return run_module("greengrass_pkcs11", {**self.arguments, **more}, check=check, within=self.space.enter)

    @property
    def settings(self) -> dict[str, Any]:
        """What was written."""
        return dict(json.loads(self.init.read_text()))

    def install(self, jar: Path) -> None:
        """Put the nucleus and its component there, and a systemctl that keeps what it is asked."""
        library = self.root / "alts" / "current" / "distro" / "lib"
        library.mkdir(parents=True)
        shutil.copy(jar, library / "Greengrass.jar")
        component = self.root / "plugins" / "trusted" / "aws.greengrass.crypto.Pkcs11Provider.jar"
        component.parent.mkdir(parents=True)
        component.write_bytes(b"")
        programs = self.board.directory / "programs"
        programs.mkdir()
        (programs / "systemctl").write_text(SYSTEMCTL.format(directory=self.board.directory))
        (programs / "systemctl").chmod(0o755)
        (self.board.directory / "state").write_text("active\n")
        (self.root / "config" / "config.tlog").write_text("as it was")
        self.space.run("mount", "--bind", str(programs), "/usr/local/sbin")

    def asked(self) -> list[str]:
        """What systemctl was asked since the last call."""
        path = self.board.directory / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def take(self) -> None:
        """Have the nucleus's configuration be what was written, as its own writer lays it out."""
        system, services = self.settings["system"], self.settings["services"]
        lines = ["---", "system:", *(f'  {key}: "{value}"' for key, value in sorted(system.items())), "services:"]
        for name, service in services.items():
            lines += [f"  {name}:", "    configuration:"]
            for key, value in sorted(service["configuration"].items()):
                lines.append(f"      {key}: {json.dumps(value)}")
        self.effective.write_text("\n".join(lines) + "\n")

    def certificates(self) -> list[tuple[str, str, bytes]]:
        """Labels, ids and contents of the certificates in the token."""
        found = json.loads(self.board.inside(OBJECTS))
        return [(bytes.fromhex(label).decode(), key_id, bytes.fromhex(value)) for label, key_id, value in found]

    def java(self, directory: Path, pin: str = PIN) -> str:
        """What Java's reader of tokens finds by the settings that were written."""
        source = directory / "Nucleus.java"
        source.write_text(JAVA)
        given = self.settings["services"]["aws.greengrass.crypto.Pkcs11Provider"]["configuration"]
        label = self.settings["system"]["privateKeyPath"].partition("object=")[2].partition(";")[0]
        done = subprocess.run(
            ["java", str(source), given["name"], given["library"], str(given["slot"]), label],
            input=pin.encode(),
            capture_output=True,
            env={**os.environ, **self.board.environment},
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()


class Lite:
    """A nucleus lite that was installed, in a mount namespace with an /etc of its own."""

    USER_ID = 64055
    FRAGMENT = "greengrass/config.d/edgesec.yaml"
    OPENSSL = "edgesec/greengrass/openssl.cnf"
    DROP_IN = "systemd/system/ggl.core.iotcored.service.d/50-edgesec-pkcs11.conf"

    def __init__(self, board: Board, space: Namespace) -> None:
        self.board, self.space = board, space
        self.etc = board.directory / "etc"
        shutil.copytree("/etc", self.etc, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
        space.run("mount", "--bind", str(self.etc), "/etc")
        with (self.etc / "passwd").open("a") as users:
            users.write(f"ggcore:x:{self.USER_ID}:{self.USER_ID}::/nonexistent:/usr/sbin/nologin\n")
        self.write("greengrass/config.d/greengrass-lite.yaml", "system:\n  rootPath: /var/lib/no-greengrass\n")
        for unit in ("ggl.core.iotcored", "ggl.com.example.Component"):
            self.write(f"systemd/system/{unit}.service", "[Service]\nExecStart=/bin/true\n")

    def let_in(self) -> None:
        """Give the user of the nucleus what it has to reach."""
        for path in (
            self.board.pin_file,
            *(self.board.directory / "tokens").rglob("*"),
            self.board.directory / "tokens",
        ):
            os.chown(path, self.USER_ID, self.USER_ID)

    def write(self, name: str, text: str) -> None:
        path = self.etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def written(self) -> dict[str, str]:
        """What the module has written."""
        names = (self.FRAGMENT, self.OPENSSL, self.DROP_IN)
        return {name: (self.etc / name).read_text() for name in names if (self.etc / name).exists()}

    def module(self, check: bool = False, **more: Any) -> Result:
        named = ("library", "environment", "certificate", "pin_file")
        given = {**{name: self.board.arguments[name] for name in named}, **more}
        return run_module("greengrass_pkcs11", given, check=check, within=self.space.enter)

    def sign(self, data: bytes) -> bytes:
        """A signature by OpenSSL with the key that is named, by the user of the nucleus and with what its units get."""
        variables = [
            line.removeprefix('Environment="').removesuffix('"')
            for line in self.written()[self.DROP_IN].splitlines()
            if line.startswith("Environment=")
        ]
        uri = json.loads(self.written()[self.FRAGMENT])["system"]["privateKeyPath"]
        return subprocess.run(
            [
                *(*self.space.enter, "runuser", "-u", "ggcore", "--", "env", *variables),
                *("openssl", "dgst", "-sha256", "-sign", uri),
            ],
            input=data,
            stdout=subprocess.PIPE,
            check=False,
        ).stdout

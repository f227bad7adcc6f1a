# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for secrets that nobody declared, on a tree of real files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials import discovery
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.discovery import discover
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.search import Search
from tests.support.access import give
from tests.support.forest import plant
from tests.support.module_runner import run_module
from tests.support.planted import Planted, secrets

KEY = next(each for each in secrets() if each.name == "key.pem")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")


def search(root: Path, **wanted: Any) -> dict[str, Any]:
    return discover(str(root), Search(**{"paths": ("/",), **wanted}))


def paths(found: dict[str, Any]) -> list[str]:
    return [secret["path"] for secret in found["secrets"]]


def put(path: Path, planted: Planted = KEY, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(planted.data)
    path.chmod(mode)
    return path


@pytest.fixture(name="keys")
def _keys(tmp_path: Path) -> Path:
    for name in ("a/one.pem", "a/b/two.pem", "c.pem", "d/e/f/three.pem"):
        put(tmp_path / name)
    return tmp_path


def test_of_thousands_of_files_those_with_secrets_are_found_and_no_others(tmp_path: Path) -> None:
    forest = plant(tmp_path, files=3000, secrets=200, look_alikes=200)
    # Listing them is what changes the times of directories.
    everything = sorted(tmp_path.rglob("*"))
    before = {path: path.lstat()[:9] for path in everything}
    found = search(tmp_path, thorough=True)
    assert {(secret["path"], secret["kind"]) for secret in found["secrets"]} == forest
    assert len(forest) == 200
    assert len({kind for _path, kind in forest}) >= 15
    assert found["complete"] is True
    assert {path: path.lstat()[:9] for path in sorted(tmp_path.rglob("*"))} == before
    whole = json.dumps(found)
    for planted in secrets():
        for line in planted.data.splitlines():
            assert len(line) < 24 or line.decode("latin-1") not in whole


def test_a_quick_search_leaves_out_sources_and_says_so(tmp_path: Path) -> None:
    put(tmp_path / "key.pem")
    put(tmp_path / "app.py")
    put(tmp_path / "picture.png")
    found = search(tmp_path)
    assert paths(found) == ["/key.pem"]
    assert found["not_looked_at"]["by_name"] == 2
    found = search(tmp_path, thorough=True)
    assert paths(found) == ["/app.py", "/key.pem"]
    assert found["not_looked_at"]["by_name"] == 1


def test_what_is_told_of_a_secret(tmp_path: Path) -> None:
    put(tmp_path / "key.pem", mode=0o644)
    (secret,) = search(tmp_path)["secrets"]
    info = (tmp_path / "key.pem").stat()
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    digest = subprocess.run(["sha256sum"], input=public.stdout, capture_output=True, check=True).stdout.split()[0]
    assert (secret["kind"], secret["mode"], secret["encrypted"]) == ("pkcs8", "0644", False)
    assert secret["fingerprint"] == digest.decode()
    assert secret["readers"][-1] == "everyone"
    assert (info.st_mode & 0o777, len(secret["readers"])) == (0o644, 2)


@needs_root
def test_those_whom_an_access_control_list_lets_in_are_readers(tmp_path: Path) -> None:
    path = put(tmp_path / "key.pem")
    give(path, user=pwd.getpwnam("nobody").pw_uid, permissions=4)
    (secret,) = search(tmp_path)["secrets"]
    assert "user:nobody" in secret["readers"]


def test_links_pipes_and_devices_are_not_followed_nor_opened(tmp_path: Path) -> None:
    put(tmp_path / "outside" / "key.pem")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file.pem").symlink_to(tmp_path / "outside" / "key.pem")
    (inside / "directory").symlink_to(tmp_path / "outside")
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe.pem")
    found = search(tmp_path, paths=("/inside",))
    assert found["secrets"] == []
    assert found["looked_at"] == {"directories": 1, "files": 0, "opened": 0}


def test_a_start_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path / "real" / "key.pem")
    (tmp_path / "link").symlink_to("real")
    found = search(tmp_path, paths=("/link",))
    assert (found["secrets"], found["complete"], found["not_looked_at"]["unreadable"]) == ([], False, 1)


def test_a_search_goes_on_where_it_stopped(keys: Path) -> None:
    whole = paths(search(keys))
    seen: list[str] = []
    cursor = None
    for _turn in range(10):
        found = search(keys, max_files=1, cursor=cursor)
        seen += paths(found)
        cursor = found["cursor"]
        assert found["complete"] is (cursor is None)
        if cursor is None:
            break
    assert seen == whole
    assert len(whole) == 4


def test_wherever_a_search_stops_the_rest_is_what_was_left(tmp_path: Path) -> None:
    plant(tmp_path, files=100, secrets=30, look_alikes=10)
    whole = search(tmp_path)
    for files in range(whole["looked_at"]["files"]):
        first = search(tmp_path, max_files=files)
        rest = search(tmp_path, cursor=first["cursor"])
        assert first["secrets"] + rest["secrets"] == whole["secrets"]
        assert (first["complete"], rest["complete"]) == (False, True)
        for name, part in (("files", "looked_at"), ("opened", "looked_at"), ("by_name", "not_looked_at")):
            assert first[part][name] + rest[part][name] == whole[part][name]


def test_a_search_that_finds_too_much_goes_on_with_the_next_secret(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_MOST_SECRETS", 3)
    first = search(keys)
    assert (len(first["secrets"]), first["complete"]) == (3, False)
    rest = search(keys, cursor=first["cursor"])
    assert paths(first) + paths(rest) == ["/a/b/two.pem", "/a/one.pem", "/c.pem", "/d/e/f/three.pem"]


def test_a_search_that_has_no_time_to_go_on_loses_nothing(keys: Path) -> None:
    cursor = search(keys, max_files=2)["cursor"]
    assert search(keys, max_seconds=0, cursor=cursor)["cursor"] == cursor


def test_a_search_over_several_paths_goes_on_in_the_right_one(keys: Path) -> None:
    starts = ("/d", "/a")
    first = search(keys, paths=starts, max_files=2)
    rest = search(keys, paths=starts, cursor=first["cursor"])
    assert paths(first) + paths(rest) == ["/d/e/f/three.pem", "/a/b/two.pem", "/a/one.pem"]
    assert rest["complete"] is True


def test_no_time_is_left(keys: Path) -> None:
    found = search(keys, max_seconds=0)
    assert (found["secrets"], found["complete"]) == ([], False)
    assert len(paths(search(keys, cursor=found["cursor"]))) == 4


@pytest.mark.parametrize("cursor", ["", "x", "7:/", "-1:/a", "0:/elsewhere", "0"])
def test_a_cursor_of_another_search_is_refused(keys: Path, cursor: str) -> None:
    arguments = {"root": str(keys), "discover": {"paths": ["/a"], "cursor": cursor}}
    assert "does not belong to these paths" in run_module("credential_facts", arguments).error


def test_what_is_excluded_is_counted(keys: Path) -> None:
    found = search(keys, exclude=("/a/b", "/*/three.pem"))
    assert paths(found) == ["/a/one.pem", "/c.pem"]
    assert found["not_looked_at"]["excluded"] == 2
    assert found["complete"] is True


def test_large_files_are_counted_and_not_searched(tmp_path: Path) -> None:
    put(tmp_path / "key.pem")
    (tmp_path / "log").write_bytes(b"x\n" * 100_000 + KEY.data)
    (tmp_path / "program").write_bytes(b"\x7fELF\0\0" * 50_000)
    found = search(tmp_path, max_size=128 * 1024)
    assert paths(found) == ["/key.pem"]
    assert (found["not_looked_at"]["too_large"], found["complete"]) == (1, False)
    assert paths(search(tmp_path)) == ["/key.pem", "/log"]


@pytest.mark.parametrize("size", [len(KEY.data), 4096, 16 * 1024, 16 * 1024 + 1, 100_000])
def test_a_file_is_searched_up_to_the_byte(tmp_path: Path, size: int) -> None:
    (tmp_path / "settings").write_bytes(b"\n" * (size - len(KEY.data)) + KEY.data)
    assert paths(search(tmp_path, max_size=size)) == ["/settings"]
    found = search(tmp_path, max_size=size - 1)
    assert (found["secrets"], found["not_looked_at"]["too_large"]) == ([], 1)


def test_a_secret_far_down_in_a_text_is_found(tmp_path: Path) -> None:
    (tmp_path / "settings").write_bytes(b"a = 1\n" * 15_000 + KEY.data)
    assert paths(search(tmp_path)) == ["/settings"]


def test_names_that_are_no_text_and_very_deep_trees(tmp_path: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/k\xff.pem")))
    deep = tmp_path
    for _level in range(210):
        deep /= "d"
        deep.mkdir()
    found = search(tmp_path)
    assert paths(found) == ["/k?.pem"]
    assert (found["not_looked_at"]["too_deep"], found["complete"]) == (1, False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named_and_the_search_is_not_complete(keys: Path) -> None:
    (keys / "c.pem").chmod(0)
    found = search(keys)
    assert found["complete"] is False
    assert found["not_looked_at"]["unreadable_paths"] == ["/c.pem: Permission denied"]


def test_the_kernels_file_systems_are_not_entered_and_others_are_listed() -> None:
    found = discover("/", Search(paths=("/proc", "/dev"), max_seconds=5))
    assert found["looked_at"]["files"] == 0
    assert all(each["path"].startswith(("/proc", "/dev")) for each in found["not_looked_at"]["file_systems"])


@pytest.fixture(name="swapped")
def _swapped(tmp_path: Path) -> Iterator[Path]:
    """A file and a directory that are links to the outside, and back, as often as can be."""
    put(tmp_path / "outside" / "key.pem")
    inside = tmp_path / "inside"
    for number in range(40):
        put(inside / f"{number:02}", Planted("x", b"no secret at all\n"))
    (inside / "20d").mkdir()
    (tmp_path / "file").symlink_to(tmp_path / "outside" / "key.pem")
    (tmp_path / "directory").symlink_to(tmp_path / "outside")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for name, link in (("20", "file"), ("20d", "directory")):
                os.rename(inside / name, tmp_path / "aside")
                os.symlink(os.readlink(tmp_path / link), inside / name)
                os.unlink(inside / name)
                os.rename(tmp_path / "aside", inside / name)

    thread = threading.Thread(target=swap)
    thread.start()
    yield tmp_path
    done.set()
    thread.join()


def test_links_that_are_swapped_in_meanwhile_lead_nowhere(swapped: Path) -> None:
    times = (swapped / "outside" / "key.pem").stat()
    for _run in range(150):
        assert search(swapped, paths=("/inside",))["secrets"] == []
    after = (swapped / "outside" / "key.pem").stat()
    assert (after.st_atime_ns, after.st_ctime_ns) == (times.st_atime_ns, times.st_ctime_ns)


def test_by_the_modules_only_on_request(keys: Path) -> None:
    facts = run_module("credential_facts", {"root": str(keys)}).values["ansible_facts"]["edgesec_credentials"]
    assert facts["discovered"] is None
    for module in ("credential_facts", "compliance_facts"):
        arguments = {"root": str(keys), "discover": {"exclude": ["/d"]}}
        if module == "compliance_facts":
            arguments["gather_subset"] = ["credentials"]
        result = run_module(module, arguments)
        found = result.values["ansible_facts"]["edgesec_credentials"]["discovered"]
        assert paths(found) == ["/a/b/two.pem", "/a/one.pem", "/c.pem"]
        assert stat.S_IMODE((keys / "c.pem").stat().st_mode) == 0o600


def test_a_path_that_is_not_plain_is_refused(keys: Path) -> None:
    for path in ("etc", "/a/../etc", "/a/"):
        error = run_module("credential_facts", {"root": str(keys), "discover": {"paths": [path]}}).error
        assert "is not a plain absolute path" in error


def test_a_large_file_is_searched_in_pieces(tmp_path: Path) -> None:
    """Wherever the key lies, across the end of a piece as well."""
    for number, before in enumerate((0, 900_000, 1_048_500, 1_048_576 - 131_072 + 7, 3_000_000)):
        data = (b"a = 1\n" * (before // 6 + 1))[:before] + b"\n" + KEY.data + b"b = 2\n" * 300_000
        (tmp_path / f"log{number}").write_bytes(data)
        (tmp_path / f"wide{number}").write_bytes(data.decode().encode("utf-16"))
    (tmp_path / "store.db").write_bytes(b"SQLite format 3\0" + bytes(2_000_000) + KEY.data + bytes(500_000))
    found = search(tmp_path)
    assert sorted(paths(found)) == sorted(f"/{path.name}" for path in tmp_path.iterdir())
    assert found["complete"] is True


def test_an_initramfs_begins_like_der_and_is_none(tmp_path: Path) -> None:
    (tmp_path / "initrd.img-6").write_bytes(b"070701010020E03D000041ED" + bytes(5 << 20))
    found = search(tmp_path)
    assert (found["complete"], found["not_looked_at"]["too_large"]) == (True, 0)
    (tmp_path / "initrd.img-6").write_bytes(("0\n" * 5000).encode("utf-16-le") + KEY.data.decode().encode("utf-16-le"))
    assert paths(search(tmp_path)) == ["/initrd.img-6"]


def test_what_is_too_large_is_named_and_the_search_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x\n" * 100_000)
    found = search(tmp_path, max_size=100_000)
    assert (found["complete"], found["not_looked_at"]["too_large_paths"]) == (False, ["/log"])
    assert search(tmp_path)["complete"] is True


def test_what_is_encoded_too_deeply_is_named(tmp_path: Path) -> None:
    text = KEY.data
    for _layer in range(12):
        text = base64.b64encode(text)
    (tmp_path / "deep").write_bytes(text)
    found = search(tmp_path)
    assert (found["complete"], found["not_looked_at"]["too_complex_paths"]) == (False, ["/deep"])


EXAMPLE, CONFIGURED = "usr/share/doc/edge/examples/key.pem", "etc/edge/key.pem"


@pytest.fixture(name="debian")
def _debian(tmp_path: Path) -> Path:
    """A tree with a key in a package, and one among its configuration files."""
    digest = hashlib.md5(KEY.data, usedforsecurity=False).hexdigest()
    for path in (EXAMPLE, CONFIGURED):
        put(tmp_path / path, mode=0o644)
    information = tmp_path / "var/lib/dpkg/info"
    information.mkdir(parents=True)
    (information / "edge:amd64.md5sums").write_text(f"{digest}  {EXAMPLE}\n")
    status = f"Package: other\nStatus: install\n\nPackage: edge-conf\nConffiles:\n /{CONFIGURED} {digest}\nVersion: 1\n"
    (tmp_path / "var/lib/dpkg/status").write_text(status)
    return tmp_path


def test_unchanged_files_of_packages_are_told_apart(debian: Path) -> None:
    found = search(debian)
    assert found["secrets"] == []
    assert found["packaged"] == [
        {"path": f"/{CONFIGURED}", "kind": "pkcs8", "package": "edge-conf"},
        {"path": f"/{EXAMPLE}", "kind": "pkcs8", "package": "edge"},
    ]


@pytest.mark.parametrize("path", [EXAMPLE, CONFIGURED])
def test_changed_files_of_packages_are_not(debian: Path, path: str) -> None:
    (debian / path).write_bytes(KEY.data + b"\n")
    assert paths(search(debian)) == [f"/{path}"]


@pytest.mark.parametrize("path", ["opt/edge/key.pem", "etc/ssl/private/key.pem", "root/key.pem", "usr/local/key.pem"])
def test_a_package_makes_no_example_of_what_is_in_use(debian: Path, path: str) -> None:
    put(debian / path)
    digest = hashlib.md5(KEY.data, usedforsecurity=False).hexdigest()
    (debian / "var/lib/dpkg/info/vendor.md5sums").write_text(f"{digest}  {path}\n")
    assert paths(search(debian)) == [f"/{path}"]


def test_lists_of_packages_that_are_none_do_no_harm(debian: Path) -> None:
    information = debian / "var/lib/dpkg/info"
    (information / "a.md5sums").symlink_to("/dev/zero")
    os.mkfifo(information / "b.md5sums")
    (information / "c.md5sums").write_bytes(os.urandom(5000))
    assert len(search(debian)["packaged"]) == 2


def test_keys_that_gpg_made_are_found(tmp_path: Path) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback"]
    for name, passphrase in (("open", ""), ("closed", "a passphrase")):
        subprocess.run(
            [*gpg, "--passphrase", passphrase, "--quick-generate-key", f"{name}@edge", "ed25519", "sign", "never"],
            check=True,
            capture_output=True,
        )
        for form in ([], ["--armor"]):
            exported = subprocess.run(
                [*gpg, "--passphrase", passphrase, *form, "--export-secret-keys", f"{name}@edge"],
                check=True,
                capture_output=True,
            )
            (tmp_path / f"{name}{len(form)}").write_bytes(exported.stdout)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, capture_output=True)
    found = search(tmp_path)
    seen = {secret["path"]: secret["encrypted"] for secret in found["secrets"] if secret["kind"] == "pgp"}
    assert {seen[f"/{name}{form}"] for name in ("open",) for form in (0, 1)} == {False}
    assert {seen[f"/{name}{form}"] for name in ("closed",) for form in (0, 1)} == {True}
    assert sorted(seen[path] for path in seen if path.startswith("/gnupg/private-keys-v1.d/")) == [False, True]
    assert len(seen) == 6


@pytest.mark.parametrize("arguments", [["-t", "rsa", "-m", "PEM"], ["-t", "ed25519"], ["-t", "ecdsa", "-b", "521"]])
def test_keys_that_ssh_keygen_made_have_the_fingerprint_of_their_public_half(
    tmp_path: Path, arguments: list[str]
) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", *arguments, "-f", str(path)], check=True)
    found = search(tmp_path)
    assert paths(found) == ["/key"]
    loaded = serialization.load_ssh_public_key(path.with_suffix(".pub").read_bytes())
    info = loaded.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert found["secrets"][0]["fingerprint"] == hashlib.sha256(info).hexdigest()


@pytest.mark.parametrize("arguments", [["-primes", "3", "3072"], ["-traditional", "-primes", "3", "3072"]])
def test_keys_of_many_primes_that_openssl_made_are_found(tmp_path: Path, arguments: list[str]) -> None:
    subprocess.run(["openssl", "genrsa", "-out", str(tmp_path / "key"), *arguments], check=True, capture_output=True)
    (secret,) = search(tmp_path)["secrets"]
    assert secret["fingerprint"] is not None


def test_keys_on_odd_curves_that_openssl_made_are_found(tmp_path: Path) -> None:
    for name in ("SM2", "X25519", "X448", "ED25519", "ED448"):
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", name, "-out", str(tmp_path / name)], check=True, capture_output=True
        )
    assert sorted(paths(search(tmp_path))) == ["/ED25519", "/ED448", "/SM2", "/X25519", "/X448"]

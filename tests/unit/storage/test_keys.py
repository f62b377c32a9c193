"""Seeds, derivation and the encrypted keystore, against published vectors and eth-account."""

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.crypto import address_of
from thalweg.errors import Reason, UserFault
from thalweg.storage import DataFolder, Keys, create_keystore, find_password, unlock, v3
from thalweg.storage.derivation import HARDENED, derive
from thalweg.storage.mnemonic import to_entropy, to_mnemonic, to_seed

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "keys.json").read_text())
ENTROPIES = st.sampled_from((16, 20, 24, 28, 32)).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@pytest.mark.parametrize(("entropy", "mnemonic", "seed"), VECTORS["bip39"]["vectors"])
def test_mnemonics_and_seeds_are_those_of_bip_39(entropy: str, mnemonic: str, seed: str) -> None:
    assert to_mnemonic(bytes.fromhex(entropy)) == mnemonic
    assert to_entropy(mnemonic).hex() == entropy
    assert to_seed(mnemonic, "TREZOR").hex() == seed


@given(ENTROPIES)
def test_a_mnemonic_gives_its_entropy_back(entropy: bytes) -> None:
    assert to_entropy(to_mnemonic(entropy)) == entropy
    assert to_entropy("  " + to_mnemonic(entropy).upper().replace(" ", "\n\t")) == entropy


@given(ENTROPIES, st.data())
def test_a_mnemonic_with_another_word_is_refused_or_has_another_checksum(entropy: bytes, data: st.DataObject) -> None:
    words = to_mnemonic(entropy).split()
    place = data.draw(st.integers(0, len(words) - 1))
    words[place] = "zoo" if words[place] != "zoo" else "abandon"
    with contextlib.suppress(UserFault):
        assert to_entropy(" ".join(words)) != entropy


@pytest.mark.parametrize(
    ("mnemonic", "message"),
    [
        ("", "not 0"),
        ("abandon " * 11, "not 11"),
        ("abandon " * 13, "not 13"),
        ("abandon " * 12, "checksum"),
        ("abandon " * 10 + "satoshis about", "word 11"),
        ("abandon " * 5000, "words, not"),
    ],
)
def test_what_is_no_mnemonic_is_refused_by_what_is_wrong(mnemonic: str, message: str) -> None:
    with pytest.raises(UserFault, match=message) as refused:
        to_entropy(mnemonic)
    assert refused.value.reason is Reason.MALFORMED


def test_entropy_of_another_length_is_refused() -> None:
    with pytest.raises(UserFault, match="17 bytes"):
        to_mnemonic(bytes(17))


@pytest.mark.parametrize(("seed", "path", "extended"), VECTORS["bip32"]["vectors"])
def test_keys_are_those_of_bip_32(seed: str, path: str, extended: str) -> None:
    node = derive(bytes.fromhex(seed), path)
    payload = _base58_checked(extended)
    assert node.chain_code == payload[13:45]
    assert node.secret == payload[46:78]


@pytest.mark.parametrize("path", ["", "44'/60'", "m/", "m/x", "m/-1", "m/²", "m/1''", f"m/{HARDENED}", "m" + "/0" * 17])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(UserFault) as refused:
        derive(bytes(64), path)
    assert refused.value.reason is Reason.MALFORMED


@settings(max_examples=5)
@given(ENTROPIES)
def test_wallet_and_channel_keys_are_those_eth_account_derives(entropy: bytes) -> None:
    Account.enable_unaudited_hdwallet_features()
    keys = Keys(entropy)
    paths = {"m/44'/60'/0'/0/0": keys.wallet, "m/44'/60'/1'/0/7": keys.channel(7), "m/44'/60'/2'/0/0": keys.oracle}
    for path, key in paths.items():
        theirs = Account.from_mnemonic(keys.mnemonic, account_path=path)
        assert key.secret == bytes(theirs.key)
        assert address_of(key.public_key).hex() == theirs.address[2:].lower()


def test_every_purpose_has_its_own_key_and_none_is_shown() -> None:
    keys = Keys(bytes(16))
    secrets = [keys.wallet.secret, keys.channel(0).secret, keys.channel(1).secret, keys.oracle.secret]
    secrets += [keys.node, keys.backup]
    assert len(set(secrets)) == len(secrets)
    assert not any(secret.hex() in repr(keys) for secret in secrets)
    assert "abandon" not in repr(keys)


def test_derived_network_and_backup_keys_never_change() -> None:
    # Frozen on the first release: another value would be another node, or a backup that cannot be opened.
    keys = Keys(bytes(16))
    assert keys.node.hex() == "dbf46d2df69dc66ff7ea8bec604ff8a6d8de6579ba8018b8d93ae4ed8df529d0"
    assert keys.backup.hex() == "6bec28604d5f34a66c12e34e2eb492aba82964c68d7cf3f590c271623a4e937f"


def test_channel_keys_have_a_limit() -> None:
    with pytest.raises(UserFault) as refused:
        Keys(bytes(16)).channel(1 << 20)
    assert refused.value.reason is Reason.LIMIT


@pytest.mark.parametrize("kind", ["pbkdf2", "scrypt"])
def test_published_keystores_open(kind: str) -> None:
    content = json.dumps(VECTORS["v3"]["files"][kind]).encode()
    assert v3.decrypt(content, VECTORS["v3"]["password"]).hex() == VECTORS["v3"]["secret"]


def test_eth_keyfile_opens_our_keystore_and_we_open_theirs() -> None:
    secret, password = bytes(range(16)), "pässword 密"
    assert decode_keyfile_json(json.loads(v3.encrypt(secret, password)), password.encode()) == secret
    theirs = create_keyfile_json(bytes(range(1, 33)), password.encode(), kdf="scrypt", iterations=1024)
    assert v3.decrypt(json.dumps(theirs).encode(), password) == bytes(range(1, 33))
    assert bytes(Account.decrypt(json.loads(v3.encrypt(bytes(range(1, 33)), "x")), "x")) == bytes(range(1, 33))


def test_a_wrong_password_is_refused() -> None:
    with pytest.raises(UserFault) as refused:
        v3.decrypt(v3.encrypt(b"secret", "right"), "wrong")
    assert refused.value.reason is Reason.WRONG_PASSWORD


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 4),
        (("crypto", "cipher"), "aes-256-gcm"),
        (("crypto", "kdf"), "argon2"),
        (("crypto", "mac"), "not hex"),
        (("crypto", "ciphertext"), "00" * 2000),
        (("crypto", "cipherparams"), {"iv": "00"}),
        (("crypto", "kdfparams", "n"), 1000),
        (("crypto", "kdfparams", "n"), 1 << 40),
        (("crypto", "kdfparams", "p"), 1 << 30),
        (("crypto", "kdfparams", "r"), -1),
        (("crypto", "kdfparams", "dklen"), 64),
    ],
)
def test_a_keystore_we_cannot_read_is_refused_before_any_work(place: tuple[str, ...], value: object) -> None:
    content = json.loads(v3.encrypt(b"secret", "password"))
    inner = content
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    with pytest.raises(UserFault) as refused:
        v3.decrypt(json.dumps(content).encode(), "password")
    assert refused.value.reason is Reason.CORRUPT


def test_a_folder_keeps_one_seed_and_gives_it_back(tmp_path: Path) -> None:
    with DataFolder.create(tmp_path / "alice") as folder:
        keys = create_keystore(folder, "password")
        assert unlock(folder, "password").mnemonic == keys.mnemonic
        assert len(keys.mnemonic.split()) == 12
        with pytest.raises(UserFault) as refused:
            create_keystore(folder, "password")
        assert refused.value.reason is Reason.EXISTS
        assert unlock(folder, "password").mnemonic == keys.mnemonic
        assert keys.mnemonic.split()[0].encode() not in folder.seed.read_bytes()
        with pytest.raises(UserFault) as refused:
            unlock(folder, "another")
        assert refused.value.reason is Reason.WRONG_PASSWORD


def test_two_new_folders_have_two_seeds_and_a_given_mnemonic_is_kept(tmp_path: Path) -> None:
    mnemonics = []
    for name, given_mnemonic in (("alice", None), ("bob", None), ("carol", to_mnemonic(bytes(32)))):
        with DataFolder.create(tmp_path / name) as folder:
            mnemonics.append(create_keystore(folder, "password", given_mnemonic).mnemonic)
    assert len(set(mnemonics)) == 3
    assert mnemonics[2] == to_mnemonic(bytes(32))


def test_an_empty_password_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with DataFolder.create(tmp_path / "alice") as folder:
        with pytest.raises(UserFault) as refused:
            create_keystore(folder, "")
        assert refused.value.reason is Reason.WRONG_PASSWORD
        with pytest.raises(UserFault) as refused:
            unlock(folder, "")
        assert refused.value.reason is Reason.NOT_FOUND


def test_a_password_comes_from_the_file_then_the_environment_then_the_prompt(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from file\r\nsecond line\n")
    environ = {"THALWEG_PASSWORD": "from environment"}
    assert find_password(file, environ, lambda: "asked") == "from file"
    assert find_password(None, environ, lambda: "asked") == "from environment"
    assert find_password(None, {}, lambda: "asked") == "asked"
    with pytest.raises(UserFault) as refused:
        find_password(None, {})
    assert refused.value.reason is Reason.WRONG_PASSWORD
    with pytest.raises(UserFault) as refused:
        find_password(tmp_path / "missing", environ)
    assert refused.value.reason is Reason.NOT_FOUND
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserFault) as refused:
        find_password(file, environ)
    assert refused.value.reason is Reason.MALFORMED


def test_starting_a_node_does_not_import_what_takes_a_second() -> None:
    code = (
        "import sys; from thalweg.storage import Keys; Keys(bytes(16)).node;"
        "print([name for name in ('eth_account', 'eth_keyfile', 'py_ecc', 'Crypto') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _base58_checked(text: str) -> bytes:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for character in text:
        number = number * 58 + alphabet.index(character)
    content = number.to_bytes(82)
    assert hashlib.sha256(hashlib.sha256(content[:-4]).digest()).digest()[:4] == content[-4:]
    return content[:-4]

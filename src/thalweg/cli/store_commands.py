"""Commands about what is on disk: version, backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from thalweg.cli.options import AsJson, Data, PasswordFile
from thalweg.cli.reporting import reporting, show


def version(as_json: AsJson = False) -> None:
    """The version of this program."""
    from thalweg import __version__

    show(as_json, {"version": __version__}, f"thalweg {__version__}")


def backup(
    target: Annotated[Path, typer.Argument(help="File to write; never replaces a newer backup.")],
    data: Data,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Write an encrypted copy of the journal, whether or not the node runs."""
    with reporting(as_json):
        from thalweg.cli.initialising import ask_password, unlock_folder
        from thalweg.storage.backup import backup as write_backup

        header = write_backup(data, target, unlock_folder(data, ask_password(password_file)))
        result = {"file": str(target), "entries": header.entries, "generation": header.generation}
        show(as_json, result, f"wrote {target}: {header.entries} entries")


def restore(
    source: Annotated[Path, typer.Argument(help="Backup to bring back.")],
    data: Data,
    mnemonic_file: Annotated[
        Path | None, typer.Option("--mnemonic-file", help="The words, if the keystore is lost too.")
    ] = None,
    deployment: Annotated[
        Path | None, typer.Option("--deployment", help="Deployment file, if the folder is made anew.")
    ] = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring a journal back. The node then only closes or resumes its channels."""
    with reporting(as_json):
        from thalweg.cli.initialising import ask_password, give_deployment, read_words
        from thalweg.storage.backup import restore as bring_back

        words = None if mnemonic_file is None else read_words(mnemonic_file)
        header = bring_back(source, data, ask_password(password_file, new=words is not None), words)
        if deployment is not None:
            give_deployment(data, deployment)
        result = {"data": str(data), "entries": header.entries, "recovering": True}
        show(
            as_json,
            result,
            f"restored {header.entries} entries into {data}: start the node, then resume or close each channel",
        )

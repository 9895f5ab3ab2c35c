"""Commands that write the catalog: single entities, and sets that are applied as a whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from towpath_cli.asking import confirmed
from towpath_cli.catalog import app
from towpath_cli.failure import REFUSED, USAGE, Failed
from towpath_cli.output import ago
from towpath_cli.session import Session, command

if TYPE_CHECKING:
    from towpath_sdk import AppliedSet

__all__ = ("apply", "delete", "drop", "put", "sets")

_ENDINGS = (".yaml", ".yml", ".json")
_MOST_BYTES = 8 * 1024 * 1024

SetName = Annotated[
    str, typer.Option("--set", help="Name of the set: lower-case letters, digits and -._ inside.")
]
Files = Annotated[
    list[str],
    typer.Option("--file", "-f", help="Descriptor file, folder of them, or - ; may be repeated."),
]


@command(
    app,
    "put",
    examples=(
        "towpath catalog put ./shop.yaml",
        "towpath catalog put ./shop.yaml --new",
    ),
)
def put(
    session: Session,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Descriptor file of one entity, or -.")
    ],
    new: Annotated[bool, typer.Option("--new", help="Only where there is none yet.")] = False,
    etag: Annotated[
        str | None, typer.Option(help="Only where it has this etag, as an earlier put told.")
    ] = None,
) -> None:
    """Make the catalog hold one entity, as the file has it.

    The same file again changes nothing. What a location or a set holds is refused.
    """
    from towpath_cli.valuefile import read_values

    entity = read_values(file, several="Apply them together: towpath catalog apply --help")
    done = session.platform.entities.put(entity, if_match=etag, new=new)
    if not session.out.wire(done):
        session.out.say(f"{done.entity_ref} {done.change}, revision {done.revision}.")


@command(app, "delete", examples=("towpath catalog delete component:default/shop-1 --yes",))
def delete(
    session: Session,
    ref: Annotated[str, typer.Argument(metavar="REF", help="The entity.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove one entity, and say who would bring it back."""
    confirmed(f"Remove {ref}?", yes=yes)
    gone = session.platform.entities.delete(ref)
    if session.out.wire(gone):
        return
    session.out.say(f"Removed {gone.entity_ref}.")
    for one in gone.returns:
        session.out.say(f"It comes back {one.when} ({one.holder.origin}). {one.next}")


@command(
    app,
    "apply",
    examples=(
        "towpath catalog apply --set tolls -f ./entities --plan",
        "towpath catalog apply --set tolls -f ./entities",
        "towpath catalog apply --set tolls -f ./entities --prune",
    ),
)
def apply(
    session: Session,
    file: Files,
    set: SetName,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Let vanish what is not listed, however much it is.")
    ] = False,
) -> None:
    """Make a set hold just the entities of these files: what it held and they do not have goes.

    All or nothing; applied again, nothing changes. More than 10 % of the set and at least 5, or all
    of it, go only with --prune. Problems are printed as file:line: message.
    """
    files = _read(file)
    sets = session.platform.sets
    if plan or prune:
        shown = sets.apply(set, files=files, dry_run=True)
        if plan:
            _show(session, shown)
            _end_with_conflicts(shown)
            return
        _end_with_conflicts(shown)
        _show(session, sets.apply(set, files=files, prune=shown.prune_digest))
        return
    _show(session, sets.apply(set, files=files))


@command(app, "sets", examples=("towpath catalog sets", "towpath catalog sets tolls"))
def sets(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[SET]", help="One set.")] = None,
) -> None:
    """List the sets that were applied, or what one holds."""
    if name is not None:
        refs = list(session.platform.sets.refs(name))
        if not session.out.wire(refs):
            session.out.table(("ENTITY",), [(ref,) for ref in refs])
        return
    found = list(session.platform.sets.list())
    if not session.out.wire(found):
        rows = [(one.id, str(one.entities), ago(one.updated_at)) for one in found]
        session.out.table(("SET", "ENTITIES", "CHANGED"), rows)


@command(app, "drop", examples=("towpath catalog drop tolls --yes",))
def drop(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="SET", help="The set.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a set with all that it holds."""
    if not yes:
        found = session.platform.sets.get(name)
        confirmed(f"Remove {name} and its {found.entities} entities?", yes=False)
    refs = session.platform.sets.delete(name)
    if not session.out.wire(refs):
        session.out.say(f"Removed {name} with {len(refs)} entities.")


def _show(session: Session, applied: AppliedSet) -> None:
    if session.out.wire(applied):
        return
    groups = (("added", "+"), ("changed", "~"), ("deleted", "-"))
    rows = [(mark, ref) for name, mark in groups for ref in getattr(applied, name)]
    if rows:
        session.out.table(("", "ENTITY"), rows)
    counts = ", ".join(f"{len(getattr(applied, name))} {name}" for name, _ in groups)
    verb = "Would be" if applied.dry_run else "Done"
    session.out.say(f"{verb}: {counts}, {len(applied.unchanged)} unchanged.")
    if applied.dry_run and applied.guarded:
        session.out.say("So much would go that it needs --prune.")


def _end_with_conflicts(applied: AppliedSet) -> None:
    if applied.conflicts:
        raise Failed(
            "Others hold some of it.",
            lines=[
                f"{one.entity_ref}: {one.holder.origin}. {one.next}" for one in applied.conflicts
            ],
            code=REFUSED,
        )


def _read(named: list[str]) -> dict[str, str]:
    """The text of descriptor files, by the name under which problems are told."""
    files: dict[str, str] = {}
    left = _MOST_BYTES
    for path in (one for name in named for one in _files(name)):
        try:
            text = sys.stdin.read(left + 1) if str(path) == "-" else path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise Failed(f"{path} cannot be read.", why=reason, code=USAGE) from error
        left -= len(text.encode())
        if left < 0:
            raise Failed(f"The files have more than {_MOST_BYTES} bytes.", code=USAGE)
        files["stdin.yaml" if str(path) == "-" else str(path)] = text
    return files


def _files(name: str) -> Iterator[Path]:
    path = Path(name)
    if not path.is_dir():
        yield path
        return
    found = [
        one
        for one in sorted(path.rglob("*"))
        if one.suffix in _ENDINGS
        and one.is_file()
        and not any(part.startswith(".") for part in one.relative_to(path).parts)
    ]
    if not found:
        raise Failed(f"{name} has no {' or '.join(_ENDINGS)} files.", code=USAGE)
    yield from found

"""Column types that every table of ours uses: aware times, native UUIDs, JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, DateTime, ForeignKey, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import UUID
from sqlmodel import SQLModel

__all__ = ("data", "identifier", "json", "table_of", "text", "time")


def identifier(
    *, primary: bool = False, null: bool = False, to: str | None = None, cascade: bool = False
) -> Column[Any]:
    """A UUID, optionally pointing `to` another table's column."""
    links = [ForeignKey(to, ondelete="CASCADE" if cascade else None)] if to else []
    return Column(UUID(as_uuid=True), *links, primary_key=primary, nullable=null)


def text(*, primary: bool = False, null: bool = False, unique: bool = False) -> Column[Any]:
    """Text of any length."""
    return Column(Text, primary_key=primary, nullable=null, unique=unique or None)


def time(*, null: bool = False) -> Column[Any]:
    """A moment, with time zone."""
    return Column(DateTime(timezone=True), nullable=null)


def json(*, null: bool = False) -> Column[Any]:
    """Any JSON value, kept as text: key order matters to templates."""
    return Column(JSON(none_as_null=True), nullable=null)


def data(*, null: bool = False) -> Column[Any]:
    """Bytes, for what is sealed or hashed."""
    return Column(LargeBinary, nullable=null)


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model, which statements are written against."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table

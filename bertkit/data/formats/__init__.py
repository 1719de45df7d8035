"""From bytes to rows: what an input is, and a reader for each kind of it, for files and streams alike."""

from bertkit.data.formats.opened import STDIN, Opened, open_bytes, open_input, readable
from bertkit.data.formats.telling import (
    CARRIAGE_RETURN,
    KINDS,
    TableFormat,
    Told,
    column_names,
    encoding_note,
    kind_by_suffix,
    sniff_format,
    tell,
    tell_format,
)

__all__ = [
    "CARRIAGE_RETURN",
    "KINDS",
    "STDIN",
    "Opened",
    "TableFormat",
    "Told",
    "column_names",
    "encoding_note",
    "kind_by_suffix",
    "open_bytes",
    "open_input",
    "readable",
    "sniff_format",
    "tell",
    "tell_format",
]

"""Showing things: `text` for tables, `documents` for JSON, `lines` for logs, `live` for a terminal. Decides nothing."""

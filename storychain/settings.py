"""Settings: flags, then environment, then `.env`, then `storychain.toml`, then defaults; checked once, then trusted.

The API key is read from the environment or `.env` only and is kept out of every representation.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storychain.catalogue import MODELS, Catalogue, Model
from storychain.errors import UsageError
from storychain.printable import without_query

TOML_NAME = "storychain.toml"
DEFAULT_BASE_URL = "https://api.pictory.ai/pictoryapis"

NotifyOn = Literal["failure", "always"]
EngineName = Literal["pgqueuer", "temporal"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set apart from a story. Times are seconds, caps are credits.

    `ping_url` and `notify` are kept out of every representation: who knows them may speak in their owner's name.
    `temporal` is all that the environment says of Temporal, by its own names, keys included.
    """

    workspace: Path
    out: Path
    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    store: str | None = field(default=None, repr=False)
    engine: EngineName = "pgqueuer"
    temporal_address: str | None = None
    temporal_namespace: str | None = None
    temporal_task_queue: str | None = None
    temporal: Mapping[str, str] = field(default_factory=dict, repr=False)
    poll: float = 10.0
    jobs: int = 4
    submit_lanes: int = 1
    job_timeout: float = 3600.0
    settle: float = 30.0
    silence: float = 45.0
    lease: float = 30.0
    max_credits_per_day: Decimal | None = None
    max_credits_per_month: Decimal | None = None
    c2pa_cert: Path | None = None
    c2pa_key: Path | None = None
    log_file: Path | None = None
    metrics_file: Path | None = None
    ping_url: str | None = field(default=None, repr=False)
    notify: tuple[str, ...] = field(default=(), repr=False)
    notify_on: NotifyOn = "failure"
    requests_per_minute: float | None = None
    webhook_url: str | None = None
    webhook_listen: tuple[str, int] = ("127.0.0.1", 8767)
    catalogue: Catalogue = field(default_factory=lambda: MODELS)


_ENVIRONMENT = {
    "workspace": "STORYCHAIN_WORKSPACE",
    "out": "STORYCHAIN_OUT",
    "base_url": "PICTORY_API_BASE_URL",
    "api_key": "PICTORY_API_KEY",
    "url": "STORYCHAIN_URL",
    "store": "STORYCHAIN_STORE",
    "engine": "STORYCHAIN_ENGINE",
    "temporal_address": "TEMPORAL_ADDRESS",
    "temporal_namespace": "TEMPORAL_NAMESPACE",
    "temporal_task_queue": "TEMPORAL_TASK_QUEUE",
    "poll": "STORYCHAIN_POLL",
    "jobs": "STORYCHAIN_JOBS",
    "submit_lanes": "STORYCHAIN_SUBMIT_LANES",
    "job_timeout": "STORYCHAIN_JOB_TIMEOUT",
    "settle": "STORYCHAIN_SETTLE",
    "silence": "STORYCHAIN_SILENCE",
    "lease": "STORYCHAIN_LEASE",
    "max_credits_per_day": "STORYCHAIN_MAX_CREDITS_PER_DAY",
    "max_credits_per_month": "STORYCHAIN_MAX_CREDITS_PER_MONTH",
    "c2pa_cert": "STORYCHAIN_C2PA_CERT",
    "c2pa_key": "STORYCHAIN_C2PA_KEY",
    "requests_per_minute": "STORYCHAIN_REQUESTS_PER_MINUTE",
    "webhook_url": "STORYCHAIN_WEBHOOK_URL",
    "webhook_listen": "STORYCHAIN_WEBHOOK_LISTEN",
    "log_file": "STORYCHAIN_LOG_FILE",
    "metrics_file": "STORYCHAIN_METRICS_FILE",
    "ping_url": "STORYCHAIN_PING_URL",
    "notify": "STORYCHAIN_NOTIFY",
    "notify_on": "STORYCHAIN_NOTIFY_ON",
}

_TEMPORAL = "TEMPORAL_"

_SECRET = ("PICTORY_API_KEY", "STORYCHAIN_URL", "STORYCHAIN_PING_URL", "STORYCHAIN_NOTIFY")

_DEFAULTS: Mapping[str, str] = {"workspace": ".storychain", "out": "films"}


class _ModelEntry(BaseModel):
    """A `[models.NAME]` table of storychain.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aspect_ratios: Annotated[list[Annotated[str, Field(pattern=r"^\d{1,3}:\d{1,3}$")]], Field(min_length=1)]
    durations: Annotated[list[Annotated[int, Field(strict=True, gt=0, le=3600)]], Field(min_length=1)]
    credits_per_second: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None


def read_settings(flags: Mapping[str, object], environ: Mapping[str, str], folder: Path) -> Settings:
    """Merge all sources. `flags` holds only what was given on the command line. Raises UsageError."""
    environment = {**_dotenv(folder / ".env"), **{name: value for name, value in environ.items() if value.strip()}}
    written = _toml(folder / TOML_NAME)
    models = written.pop("models", {})
    merged: dict[str, tuple[object, str]] = {name: (value, "default") for name, value in _DEFAULTS.items()}
    merged |= {name: (value, f"{TOML_NAME}, {name}") for name, value in written.items()}
    for name, variable in _ENVIRONMENT.items():
        if environment.get(variable, "").strip():
            merged[name] = (environment[variable].strip(), variable)
    merged |= {name: (value, _flag(name)) for name, value in flags.items() if value is not None}
    values = {name: _parse(name, value, origin) for name, (value, origin) in merged.items()}
    temporal = {name: value for name, value in environment.items() if name.startswith(_TEMPORAL)}
    return Settings(**values, temporal=temporal, catalogue={**MODELS, **_models(models)})


def for_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for programs that we start: without keys, and without addresses that are as good as one."""
    return {name: value for name, value in environ.items() if name not in _SECRET and not name.startswith(_TEMPORAL)}


def _flag(name: str) -> str:
    return f"--{name.removeprefix('temporal_').replace('_', '-')}"


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a .env

    try:
        written = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    return {name: value for name, value in written.items() if value is not None}


def _toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        written = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    known = [*(name for name in _ENVIRONMENT if name != "api_key"), "models"]
    for name in written:
        if name == "api_key":
            raise UsageError(
                "the API key does not belong in this file",
                where=str(path),
                next_step="Put PICTORY_API_KEY=… into the environment or into .env, and never commit that file.",
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known settings: {', '.join(known)}."
            raise UsageError(f"unknown setting '{name}'", where=str(path), next_step=hint)
    return written


def _models(tables: Any) -> dict[str, Model]:
    if not isinstance(tables, dict):
        raise UsageError("'models' must be tables such as [models.NAME]", where=TOML_NAME)
    found = {}
    for name, table in tables.items():
        try:
            entry = _ModelEntry.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in ("models", name, *first["loc"]))
            raise UsageError(f"{place}: {first['msg']}", where=TOML_NAME) from error
        ratios, durations = tuple(entry.aspect_ratios), tuple(entry.durations)
        found[name] = Model(name, ratios, durations, entry.credits_per_second)
    return found


_MOST = 10**9
"""Of any number here; more is a slip, and more than a clock or the ledger can count."""

_LEAST = {
    "poll": 0.01,
    "jobs": 1,
    "submit_lanes": 1,
    "job_timeout": 1,
    "settle": 0,
    "silence": 1,
    "lease": 1,
    "max_credits_per_day": 0,
    "max_credits_per_month": 0,
    "requests_per_minute": 1,
}


_COUNTS = ("jobs", "submit_lanes")

_PATHS = ("workspace", "out", "c2pa_cert", "c2pa_key", "log_file", "metrics_file")
_TEXTS = (
    *_PATHS,
    *("base_url", "api_key", "url", "store", "ping_url", "notify_on", "webhook_url", "webhook_listen"),
    *("engine", "temporal_address", "temporal_namespace", "temporal_task_queue"),
)


def _parse(name: str, value: object, origin: str) -> Any:
    if name == "notify":
        return _notify(value, origin)
    if name in _TEXTS:
        return _parse_text(name, value, origin)
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise UsageError(f"{origin}: '{value}' is not a number") from error
    if number.is_nan() or number < Decimal(str(_LEAST[name])):
        raise UsageError(f"{origin}: {value} is too small; the least is {_LEAST[name]}")
    if number > _MOST:
        raise UsageError(f"{origin}: {value} is too large; the most is {_MOST}")
    if name in _COUNTS:
        if number != int(number):
            raise UsageError(f"{origin}: '{value}' is not a whole number")
        return int(number)
    return number if name.startswith("max_credits") else float(number)


def _parse_text(name: str, value: object, origin: str) -> Any:
    if not isinstance(value, str | Path):
        raise UsageError(f"{origin}: it has to be text, not {value}")
    if name in _READERS:
        return _READERS[name](str(value), origin)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{origin}: '{value}': {error}") from error


def _listening(value: str, origin: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{origin}: '{value}' is no place to listen", next_step="Write HOST:PORT, or PORT alone.")
    return host.strip("[]") or "127.0.0.1", int(port)


_NOT_OF_ADDRESSES = re.compile(r"[^!-~]|[\"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})")
"""Characters that no address has as it is sent, and a percent sign that begins none (RFC 3986)."""


def _plain_address(value: str, origin: str, *, example: str, why: str) -> str:
    """An http(s) address to which something is added: without a name, password or query, and sent as it is."""
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    shown = without_query(value)
    if not known:
        raise UsageError(f"{origin}: '{shown}' is not an http(s) address", next_step=f"It looks like {example}.")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            f"{origin}: '{shown}' is to be an address alone, without a name, password or query", next_step=why
        )
    if found := _NOT_OF_ADDRESSES.search(value):
        raise UsageError(
            f"{origin}: '{shown}' holds {found[0]!r}, which no address has as it is sent",
            next_step="Write it percent-encoded, such as %20 for a space, and a host's name as xn--….",
        )
    return value.rstrip("/")


def _database(value: str, origin: str) -> str:
    """The address as it is; nothing of it is repeated in messages, for a mistyped one has its password anywhere."""
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("postgresql", "postgres") and parts.path.strip("/") and parts.port != 0
        # A password with such a character unescaped would be read as another part, and be told as one.
        known = known and value.count("@") <= 1 and "@" not in parts.path + parts.query and not parts.fragment
    except ValueError:
        known = False
    if not known:
        raise UsageError(
            f"{origin} is not the address of a PostgreSQL database",
            next_step="It is to look like postgresql://user:password@host:5432/database, special characters as %40. "
            "Without it the ledger is a file in the workspace.",
        )
    return value


def _store(value: str, origin: str) -> str:
    kind, found, place = value.partition("://")
    # A folder has its whole path; a bucket is named where other addresses have their server.
    good = place.startswith("/") if kind in ("file", "local") else place.strip("/") and not place.startswith("/")
    if not (found and kind and good):
        raise UsageError(
            f"{origin} is not the address of a shared place",
            next_step="It is to look like file:///mnt/stories (a folder all machines have) or s3://bucket/prefix.",
        )
    return value


def _api_key(value: str, origin: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(
            f"{origin} holds characters that no API key has",
            next_step="Paste the key as it is, without quotes, spaces or 'Bearer'.",
        )
    return value


def _ping_url(value: str, origin: str) -> str:
    """The address of a check; never quoted, for whoever knows it can answer for us."""
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and not parts.fragment
    except ValueError:
        known = False
    if not known or not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(
            f"{origin} is not an http(s) address",
            next_step="Paste the check's ping address as its monitor shows it, such as https://hc-ping.com/….",
        )
    return value


def _notify(value: object, origin: str) -> tuple[str, ...]:
    texts: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f"{origin}: it has to be addresses, as a list of texts or with spaces between them")
    return tuple(word for text in texts for word in text.split())


def _one_of(known: tuple[str, str], value: str, origin: str) -> str:
    if value not in known:
        raise UsageError(f"{origin}: '{value}' is neither '{known[0]}' nor '{known[1]}'")
    return value


def _address(value: str, origin: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or "/" in value or "@" in value or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise UsageError(f"{origin} is not the address of a server", next_step="Write HOST:PORT, without http://.")
    return value


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "base_url": partial(
        _plain_address,
        example=DEFAULT_BASE_URL,
        why="The key goes into PICTORY_API_KEY; a password in the address would be sent in its place.",
    ),
    "webhook_url": partial(
        _plain_address,
        example="https://hooks.example.com/stories",
        why="Each job is called back at an address of its own below it, which is hard enough to guess.",
    ),
    "webhook_listen": _listening,
    "api_key": _api_key,
    "url": _database,
    "store": _store,
    "ping_url": _ping_url,
    "notify_on": partial(_one_of, get_args(NotifyOn)),
    "engine": partial(_one_of, get_args(EngineName)),
    "temporal_address": _address,
    "temporal_namespace": lambda value, _: value,
    "temporal_task_queue": lambda value, _: value,
}
"""How texts that are no paths are read, each from what is written and where."""

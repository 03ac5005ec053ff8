"""What starts runs by a clock, as text to paste: systemd user units and a crontab line. Pure; installs nothing.

Quoting follows systemd.syntax(7), systemd.service(5) and crontab(5), which agree on nothing.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from storychain.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_WILD = re.compile(r"([*?]|\[[^\]/]+\])")
_UNSTARTABLE = re.compile(r"""["'\\]""")
"""What systemd refuses in the path of a program, however it is quoted."""

_AT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_EVERY = re.compile(r"(\d{1,4}) ?(m|min|h)")

_SCATTER = 300
"""Most seconds by which runs are put off, so that not everybody's begin at the full minute."""

_STOP_AFTER = "12h"
"""A run that takes longer hangs; jobs are given up after an hour (`job_timeout`), and what is paid is on record."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: for systemd (OnCalendar without its zone), for cron (five fields), and in words; `scatter` in seconds."""

    calendar: str
    cron: str
    words: str
    scatter: int


@dataclass(frozen=True, slots=True)
class Timer:
    """A run to be started by a clock.

    `program` begins with an absolute path. Of `stories` those in `patterns` are for a shell to expand, each time anew.
    `foreign` says that `zone` is not the machine's own. `unseen` are variables of this shell that will not be there.
    """

    name: str
    folder: str
    program: tuple[str, ...]
    stories: tuple[str, ...]
    patterns: frozenset[str]
    options: tuple[str, ...]
    schedule: Schedule
    zone: str
    foreign: bool
    unseen: tuple[str, ...]


def daily(text: str) -> Schedule:
    """Once a day at HH:MM. Raises UsageError."""
    found = _AT.fullmatch(text)
    if not found:
        raise UsageError(f"--at: '{text}' is not a time of day", next_step="Write it as 02:30.")
    hour, minute = int(found[1]), int(found[2])
    words = f"every day at {hour:02d}:{minute:02d}"
    return Schedule(f"*-*-* {hour:02d}:{minute:02d}:00", f"{minute} {hour} * * *", words, _SCATTER)


def regular(text: str) -> Schedule:
    """Every so many minutes or hours that the hour or the day can be divided by. Raises UsageError."""
    found = _EVERY.fullmatch(text)
    number, hours = (int(found[1]), found[2] == "h") if found else (0, False)
    if not hours and number and number % 60 == 0:
        number, hours = number // 60, True
    if not number or (24 if hours else 60) % number:
        raise UsageError(
            f"--every: '{text}' does not divide the hour or the day",
            next_step="Take 5m, 10m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h or 12h; or --at 02:30, once a day.",
        )
    if hours and number == 24:
        return daily("00:00")
    scatter = min(_SCATTER, number * (3600 if hours else 60) // 10)
    words = (
        f"every {number} {'hours' if hours else 'minutes'}" if number > 1 else f"every {'hour' if hours else 'minute'}"
    )
    if hours:
        return Schedule(f"*-*-* 00/{number}:00:00", f"0 */{number} * * *", words, scatter)
    return Schedule(f"*-*-* *:00/{number}:00", f"*/{number} * * * *", words, scatter)


def shell_text(timer: Timer) -> str:
    """A shell script that writes and enables the units; the crontab stands at its end as comments."""
    units, name = "~/.config/systemd/user", timer.name
    unit, place = f"{units}/{name}.service", shlex.quote(_working_directory(timer))
    crontab = "".join(f"#   {line}\n" for line in crontab_text(timer).splitlines())
    return f"""\
# {timer.schedule.words}, {timer.zone}. Nothing is installed yet.
# With systemd: paste this into a shell, or pipe it into sh. With cron: see the end.

(
# Units of this name that are another folder's are left alone:
if [ -e {unit} ] && ! grep -qxF {place} {unit}; then
  echo 'Nothing was changed: {name} is the timer of another folder. Give this one a name of its own by --name.' >&2
  exit 1
fi
mkdir -p {units} ~/.config/storychain

# What is run:
cat > {unit} <<'EOF'
{service_unit(timer)}EOF

# When:
cat > {units}/{name}.timer <<'EOF'
{timer_unit(timer)}EOF

# The key lies in a file that only you can read, not in the unit. Write it there, or into .env in the folder.
[ -e ~/.config/storychain/{name}.env ] || (umask 077; echo '# PICTORY_API_KEY=' > ~/.config/storychain/{name}.env)
{_unseen(timer)}
# Switch it on, also for when you are not logged in:
systemctl --user daemon-reload
systemctl --user enable --now {name}.timer
loginctl enable-linger

# Whatever else is started here by a clock goes on beside it:
grep -lxF {place} {units}/*.service | grep -vF /{name}.service | sed 's/^/This folder has another timer: /' >&2
)

# Try it:         systemctl --user start {name}.service
# What it said:   journalctl --user --unit {name}.service
# When next:      systemctl --user list-timers {name}.timer
# Switch it off:  systemctl --user disable --now {name}.timer

# Or by cron: `crontab -e`, and these lines (install-timer --cron prints them alone):
{crontab}"""


def service_unit(timer: Timer) -> str:
    """The unit that says what is run."""
    return f"""\
[Unit]
Description=storychain: {_specifiers(timer.name)}

[Service]
Type=oneshot
{_working_directory(timer)}
# The key, as PICTORY_API_KEY=...; the file need not be there.
EnvironmentFile=-%h/.config/storychain/{timer.name}.env
ExecStart={_exec_start(timer)}
# 75: another run holds a story, which is that run's to answer for.
SuccessExitStatus=75
# Only storychain is told to stop: it ends its ffmpeg itself and leaves everything in good order.
KillMode=mixed
TimeoutStartSec={_STOP_AFTER}
"""


def _working_directory(timer: Timer) -> str:
    folder = _specifiers(timer.folder)
    # At a line's end a backslash would join the next one to it.
    return f"WorkingDirectory={folder}" + "/" * folder.endswith("\\")


def timer_unit(timer: Timer) -> str:
    """The unit that says when."""
    return f"""\
[Unit]
Description=storychain: {_specifiers(timer.name)}, {timer.schedule.words}

[Timer]
OnCalendar={timer.schedule.calendar} {timer.zone}
# What was missed while the machine was off is made up for.
Persistent=true
RandomizedDelaySec={timer.schedule.scatter}s

[Install]
WantedBy=timers.target
"""


def crontab_text(timer: Timer) -> str:
    """The lines of a crontab."""
    zone = "# Debian's cron does not know CRON_TZ and takes the time for its own zone's.\n" if timer.foreign else ""
    if timer.foreign:
        zone += f"CRON_TZ={timer.zone}\n"
    command = f"cd {_quoted(timer.folder)} && exec {_shell_command(timer)} > /dev/null"
    return f"""\
# The key: PICTORY_API_KEY=... in .env in the folder, readable by you alone (chmod 600).
# Results are thrown away, so that cron mails what is wrong alone, if the run is --quiet.
# MAILTO=you@example.com
# No flock is needed: runs may overlap; the later one leaves the story alone.
{zone}{timer.schedule.cron} {_cron(command)}
"""


def _unseen(timer: Timer) -> str:
    if not timer.unseen:
        return ""
    return f"# Set in this shell, but not there; what is needed goes into that file too: {', '.join(timer.unseen)}\n"


def _words(timer: Timer) -> tuple[str, ...]:
    return (*timer.program, "run", *timer.stories, *timer.options)


def _shell_command(timer: Timer) -> str:
    words = (_wild(word) if word in timer.patterns else _quoted(word) for word in timer.stories)
    return " ".join([*map(_quoted, timer.program), "run", *words, *map(_quoted, timer.options)])


def _wild(pattern: str) -> str:
    """A pattern for the shell: quoted but for its wild cards."""
    parts = _WILD.split(pattern)
    return "".join(part if place % 2 else _quoted(part) if part else "" for place, part in enumerate(parts))


def _quoted(word: str) -> str:
    _check(word)
    return shlex.quote(word)


def _exec_start(timer: Timer) -> str:
    if timer.patterns or _UNSTARTABLE.search(timer.program[0]):
        return f"/bin/sh -c {_unit_word(f'exec {_shell_command(timer)}')}"
    # In the program's own path no variable is looked for, so none is kept from being found.
    program = _unit_word(timer.program[0], dollar="$")
    return " ".join([program, *map(_unit_word, _words(timer)[1:])])


def _unit_word(word: str, dollar: str = "$$") -> str:
    """One word of a unit's command line."""
    _check(word)
    escaped = _specifiers(word.replace("\\", "\\\\").replace('"', '\\"')).replace("$", dollar)
    return escaped if _PLAIN.fullmatch(escaped) else f'"{escaped}"'


def _specifiers(text: str) -> str:
    _check(text)
    return text.replace("%", "%%")


def _cron(command: str) -> str:
    r"""A command for a crontab, where a bare % ends the line.

    A backslash before it is taken for its escape, and two of them for none: they are kept apart by the end of one
    quotation and the begin of another, within which alone a backslash is left by `shlex`.
    """
    return command.replace("\\%", "\\''%").replace("%", "\\%")


def _check(word: str) -> None:
    if not word.isprintable() or word != word.strip():
        raise UsageError(
            f"{word!r} cannot be written into a unit or a crontab",
            next_step="Rename it: no line breaks, control characters or spaces at its ends.",
        )

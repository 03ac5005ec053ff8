"""The command line: arguments in, one exit code out, and the one place where every error ends.

Each command lives in `commands` and is imported when it is asked for, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from storychain import __version__
from storychain.arguments import Commands as _Commands
from storychain.arguments import Misused as _Misused
from storychain.arguments import Parser as _Parser
from storychain.arguments import command as _command
from storychain.arguments import credits_ as _credits
from storychain.arguments import edition as _edition
from storychain.arguments import looking as _looking
from storychain.arguments import seconds as _seconds
from storychain.arguments import share as _share
from storychain.arguments import stories as _stories
from storychain.arguments import workspace as _workspace
from storychain.errors import Interrupted, StorychainError, UsageError
from storychain.terminal import make_harmless, nobody_reads, stop_in_words

_EXITS = """\
exit codes: 0 done, or waiting for approval  1 bug or unexpected  2 usage or invalid story
            3 a generation failed, or media or tools cannot be used
            4 time was up, or API, ledger or queue out of reach: run again
            5 refused (consent or budget)  6 unresolved attempt  7 key or quota  75 held by another run  130 interrupted
"""


def entry() -> None:
    """The console script."""
    make_harmless()
    stop_in_words()
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    # Read when numpy is imported. Our arrays are small: its threads would mostly wait for each other, and do so busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    own, passed_on = _passed_on(argv)
    try:
        arguments = parser().parse_args(own)
    except _Misused as misused:
        if "--json" in own:
            import_module("storychain.commands.refusing").in_json(UsageError(misused.message))
        raise
    arguments.argv, arguments.passed_on = list(argv), passed_on
    room, function = arguments.command
    try:
        return int(getattr(import_module(f"storychain.commands.{room}"), function)(arguments))
    except StorychainError as error:
        print(f"storychain: {error}", file=sys.stderr)
        if getattr(arguments, "json", False) and not isinstance(error, Interrupted):
            import_module("storychain.commands.refusing").in_json(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("storychain: interrupted; run again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        nobody_reads()
        return 0
    except OSError as error:
        print(f"storychain: {_disk_words(error)}", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the last door: whatever happens, it ends in words and a code
        return _bug(error)


def _passed_on(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is ours, and what stands behind `--` for the run that a timer will start."""
    if argv[:1] != ["install-timer"] or "--" not in argv:
        return list(argv), []
    cut = list(argv).index("--")
    return list(argv[:cut]), list(argv[cut + 1 :])


def _disk_words(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}\n  What is paid is on record; mend this and run again."


def _bug(error: Exception) -> int:
    print(f"storychain: a bug: {type(error).__name__}: {error}", file=sys.stderr)
    if os.environ.get("STORYCHAIN_DEBUG"):
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    else:
        print("  What is paid is on record. STORYCHAIN_DEBUG=1 shows where it happened.", file=sys.stderr)
    return 1


def parser(made: type[_Parser] = _Parser) -> _Parser:
    """Every command and option; what is `made` decides how a mistake ends."""
    top = made(
        prog="storychain",
        description="Multi-segment story pipeline orchestrator: a YAML story in, one film out, nothing paid twice.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"storychain {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _authoring(commands)
    _plan(commands)
    _run(commands)
    _worker(commands)
    _timer(commands)
    _assemble(commands)
    _inspect(commands)
    _status(commands)
    _takes(commands)
    _export(commands)
    _looking(commands)
    _settling(commands)
    _account(commands)
    _studio(commands)
    _rest(commands)
    return top


def _authoring(commands: _Commands) -> None:
    new = _command(commands, "new", "authoring", "new", "write a commented story to start from")
    new.add_argument("name", metavar="NAME", help="the story's name; NAME.yaml is written")
    check = _command(commands, "check", "authoring", "check", "validate stories, without any network")
    _stories(check)
    _command(commands, "schema", "authoring", "print_schema", "print the JSON Schema of story files, for editors")


def _plan(commands: _Commands) -> None:
    plan = _command(commands, "plan", "planning", "plan", "show what a run would do and what it would cost")
    _stories(plan)
    _edition(plan)
    plan.add_argument("--json", action="store_true", help="print one JSON document")
    plan.add_argument("--show-prompts", action="store_true", help="show each scene's final prompt")
    plan.add_argument("--local", action="store_true", help="plan the free preview instead")
    _workspace(plan)


def _run(commands: _Commands) -> None:
    run = _command(commands, "run", "rendering", "run", "render stories; run it again to go on after anything")
    _stories(run)
    _edition(run)
    _which(run)
    _renders(run)


def _renders(run: argparse.ArgumentParser) -> None:
    run.set_defaults(asks=True)
    run.add_argument("--local", action="store_true", help="render free stand-ins with the local studio")
    run.add_argument("--max-credits", type=_credits, metavar="N", help="agree to spend up to N credits in this run")
    run.add_argument("--yes", action="store_true", help="agree to whatever the plan costs")
    run.add_argument("--out", metavar="DIR", help="where films go (default: films)")
    run.add_argument("--jobs", metavar="N", help="jobs under way at once (default: 4)")
    _pace(run)
    _hooks(run)
    run.add_argument("--retry-failed", action="store_true", help="pay for one more try of scenes that were given up")
    run.add_argument("--here", action="store_true", help="with STORYCHAIN_URL: render here rather than by workers")
    run.add_argument("--json", action="store_true", help="print one JSON document instead of the films' paths")
    run.add_argument("-q", "--quiet", action="count", default=0, help="say only what is wrong")
    run.add_argument("-v", "--verbose", action="count", default=0, help="say everything")
    _workspace(run)
    _unattended(run)
    _rehearsal(run)


def _pace(command: argparse.ArgumentParser) -> None:
    says = "requests for new jobs on their way at once (default: 1); each may need a person after an outage"
    command.add_argument("--submit-lanes", metavar="N", help=says)
    command.add_argument("--poll", metavar="S", help="seconds between two looks at a job (default: 10)")


def _worker(commands: _Commands) -> None:
    says = "render stories that `run` orders on any machine; needs STORYCHAIN_URL and storychain[cluster] or [temporal]"
    worker = _command(commands, "worker", "working", "worker", says)
    worker.set_defaults(local=False)
    worker.add_argument("--out", metavar="DIR", help="where films go (default: films)")
    worker.add_argument("--jobs", metavar="N", help="jobs under way at once, over all workers (default: 4)")
    _pace(worker)
    says = "what brings the stories: a queue in the ledger's database (default), or Temporal, which the next three name"
    worker.add_argument("--engine", choices=("pgqueuer", "temporal"), help=says)
    worker.add_argument("--address", dest="temporal_address", metavar="HOST:PORT", help="default: localhost:7233")
    worker.add_argument("--namespace", dest="temporal_namespace", metavar="N", help="default: default")
    worker.add_argument("--task-queue", dest="temporal_task_queue", metavar="Q", help="default: storychain")
    worker.add_argument("-q", "--quiet", action="count", default=0, help="say only what is wrong")
    worker.add_argument("-v", "--verbose", action="count", default=0, help="say everything")
    _workspace(worker)


def _which(run: argparse.ArgumentParser) -> None:
    says = "only stories of which a scene was given up, that are begun, or of which nothing is bought"
    run.add_argument("--only", choices=("failed", "unfinished", "new"), help=says)
    says = "buy only this: STORY, STORY:SCENE, with what follows SCENE+, with what comes before +SCENE; may be repeated"
    run.add_argument("--select", action="append", default=[], metavar="STORY[:SCENE]", help=says)
    says = "buy nothing and wait for nothing after this: 06:00, 2026-11-26T06:00 or 90m"
    run.add_argument("--deadline", metavar="WHEN", help=says)
    run.add_argument("--resume-only", action="store_true", help="spend nothing: finish what is already paid")


def _hooks(run: argparse.ArgumentParser) -> None:
    says = "have the provider call this public address, which leads here, when a job ends; a call is only a hint"
    run.add_argument("--webhook-url", metavar="URL", help=says)
    says = "where such calls are received (default: 127.0.0.1:8767)"
    run.add_argument("--webhook-listen", metavar="HOST:PORT", help=says)


def _unattended(run: argparse.ArgumentParser) -> None:
    told = run.add_argument_group("unattended", "who else is told; with --local only what is named here")
    told.add_argument("--log-file", metavar="FILE", help="append every event to FILE, a line of JSON each")
    told.add_argument("--ping-url", metavar="URL", help="ping a monitor's check (Healthchecks) at begin and end")
    told.add_argument(
        "--metrics-file", metavar="FILE.prom", help="write metrics for node_exporter to FILE.prom at the end"
    )
    says = "when the services of the setting `notify` are told (default: failure)"
    told.add_argument("--notify-on", choices=("failure", "always"), help=says)


def _timer(commands: _Commands) -> None:
    says = "print what starts runs by a clock: a systemd timer and a crontab line"
    timer = _command(commands, "install-timer", "timer", "install_timer", says)
    timer.elsewhere = "; what is meant for `run` stands behind `--`"
    timer.usage = "storychain install-timer [-h] [options] [STORY ...] -- RUN-OPTION ..."
    timer.epilog = "What stands behind `--` is passed on to `run`, such as: -- --max-credits 200 --quiet"
    stories = "a story file, or a pattern in quotes that is looked up at each run (default: '*.yaml')"
    timer.add_argument("stories", nargs="*", metavar="STORY", help=stories)
    when = timer.add_mutually_exclusive_group()
    when.add_argument("--at", metavar="HH:MM", default="02:30", help="once a day, at this time (default: 02:30)")
    when.add_argument("--every", metavar="TIME", help="again and again, such as 15m or 6h")
    timer.add_argument("--timezone", metavar="ZONE", help="such as Europe/Berlin (default: this machine's)")
    timer.add_argument(
        "--name", metavar="NAME", help="what the units are called (default: by the folder and where it lies)"
    )
    timer.add_argument("--cron", action="store_true", help="print the crontab lines alone")


def _assemble(commands: _Commands) -> None:
    says = "make films anew from stored segments, without any network"
    assemble = _command(commands, "assemble", "rendering", "assemble", says)
    _stories(assemble)
    _edition(assemble)
    assemble.add_argument("--local", action="store_true", help="of the free preview's segments")
    assemble.add_argument("--out", metavar="DIR", help="where films go (default: films)")
    assemble.add_argument("--json", action="store_true", help="print one JSON document instead of the films' paths")
    assemble.add_argument("-q", "--quiet", action="count", default=0, help="say only what is wrong")
    assemble.add_argument("-v", "--verbose", action="count", default=0, help="say everything")
    _workspace(assemble)


def _inspect(commands: _Commands) -> None:
    inspect = _command(commands, "inspect", "inspecting", "inspect_stories", "measure and draw the seams of stories")
    _stories(inspect)
    _edition(inspect)
    inspect.add_argument("--json", action="store_true", help="print one JSON document")
    fail_on = "exit with 3 on these findings: any, or names such as brightness,black; NAME=LIMIT sets another limit; "
    fail_on += "an unknown name lists them all"
    inspect.add_argument("--fail-on", action="append", metavar="NAMES", help=fail_on)
    inspect.add_argument("--no-pictures", action="store_true", help="measure only")
    inspect.add_argument("--local", action="store_true", help="of the free preview's segments")
    inspect.add_argument("--out", metavar="DIR", help="where films are; pictures go beside them (default: films)")
    _workspace(inspect)


def _status(commands: _Commands) -> None:
    status = _command(commands, "status", "planning", "status", "show what is done, under way or failed, and spent")
    _stories(status, many="*")
    _edition(status)
    status.add_argument("--json", action="store_true", help="print one JSON document")
    status.add_argument("--local", action="store_true", help="look at the free preview")
    status.add_argument("--out", metavar="DIR", help="where films are (default: films)")
    _workspace(status)


def _takes(commands: _Commands) -> None:
    takes = _command(
        commands, "takes", "takes", "list_takes", "list every take of every scene, and what was said of it"
    )
    retake = _command(commands, "retake", "retaking", "retake", "take a scene again; shows first what that makes stale")
    pick = _command(commands, "pick", "takes", "pick", "show another take of a scene; what is paid stays paid")
    approve = _command(commands, "approve", "takes", "approve", "say that a take is good; scenes on hold then go on")
    reject = _command(commands, "reject", "takes", "reject", "say that a take is not good; nothing more continues it")
    promote = _command(
        commands, "promote", "retaking", "promote", "buy approved scenes from another model, price first"
    )
    for command in (takes, retake, pick, approve, reject, promote):
        _one_story(command)
    for command in (retake, pick, approve, reject):
        command.add_argument("scene", metavar="SCENE", help="the scene's id")
    pick.add_argument("take", type=int, metavar="TAKE", help="its number in `storychain takes`")
    for command in (approve, reject):
        says = "another than the one shown; if approved, it is picked"
        command.add_argument("take", nargs="?", type=int, metavar="TAKE", help=says)
        command.add_argument("--note", default="", metavar="TEXT", help="why")
    retake.add_argument("--prompt", metavar="TEXT", help="in these words rather than the story's")
    says = "keep what follows as it is, for nothing, and repair the seam"
    retake.add_argument("--keep-after", action="store_true", help=says)
    promote.add_argument("scenes", nargs="*", metavar="SCENE", help="these rather than all that are approved")
    for command in (retake, promote):
        command.set_defaults(select=[], only=None, deadline=None, resume_only=False)
        _renders(command)
    takes.add_argument("--json", action="store_true", help="print one JSON document")
    for command in (takes, pick, approve, reject):
        command.add_argument("--local", action="store_true", help="of the free preview")
        _workspace(command)
    for command in (takes, retake, pick, approve, reject):
        _edition(command)
    promote.add_argument("--model", required=True, metavar="NAME", help="the model, such as veo3.1")
    says = "the model of the draft whose approved takes are promoted (default: the story's own)"
    promote.add_argument("--from", dest="draft", metavar="NAME", help=says)


def _one_story(command: argparse.ArgumentParser) -> None:
    command.add_argument("story", metavar="STORY", help="the story file")
    command.add_argument("--matrix", metavar="CSV", help="the story is one of the rows of this table")
    command.add_argument("--row", metavar="NAME", help="that row's film, where several could be meant")


def _export(commands: _Commands) -> None:
    export = _command(commands, "export", "exporting", "export", "write the film's timeline for an editing program")
    _one_story(export)
    formats = ("otio", "fcpxml", "edl", "csv")
    export.add_argument("--to", required=True, choices=formats, help="otio needs the extra storychain[otio]")
    written = "the file (default: beside the film), or - for stdout; one that is there has to be an earlier export"
    export.add_argument("--out", dest="out_file", metavar="FILE", help=written)
    export.add_argument("--json", action="store_true", help="print one JSON document instead of the files' paths")
    export.add_argument("--local", action="store_true", help="of the free preview")
    _edition(export)
    _workspace(export)


def _settling(commands: _Commands) -> None:
    adopt = _command(commands, "adopt", "settling", "adopt", "say which job made a scene")
    resubmit = _command(commands, "resubmit", "settling", "resubmit", "let an unresolved scene be bought again")
    for command in (adopt, resubmit):
        _one_story(command)
        command.add_argument("scene", metavar="SCENE", help="the scene's id")
    adopt.add_argument("job", metavar="JOB", help="the job's id at the provider")
    resubmit.add_argument("--may-pay-twice", action="store_true", help="accept that it may have been paid already")
    for command in (adopt, resubmit):
        command.add_argument("--local", action="store_true", help="of the free preview")
        _edition(command)
        _workspace(command)


def _account(commands: _Commands) -> None:
    credits_ = _command(commands, "credits", "account", "credits", "show what was spent, held against the account")
    credits_.add_argument("--since", metavar="DAY", help="from this day on, such as 2026-11-01 (default: this month)")
    credits_.add_argument("--by", choices=("story", "model", "day"), default="story", help="add up by (default: story)")
    credits_.add_argument("--json", action="store_true", help="print one JSON document")
    reconcile = _command(commands, "reconcile", "account", "reconcile", "show jobs that the ledger does not know")
    reconcile.add_argument("--accept", action="store_true", help="say that they are none of ours")
    clean = _command(commands, "clean", "cleaning", "clean", "remove jobs at the provider whose segments are safe here")
    _stories(clean, many="*")
    clean.add_argument("--yes", action="store_true", help="do it; it cannot be undone")
    for command in (credits_, reconcile, clean):
        _workspace(command)


def _studio(commands: _Commands) -> None:
    studio = _command(commands, "studio", "serving", "studio", "serve the API locally, for nothing")
    studio.add_argument("--port", type=int, default=0, metavar="N", help="port on the loopback (default: a free one)")
    studio.add_argument("--home", metavar="DIR", help="where it keeps jobs and media (default: in the workspace)")
    _workspace(studio)
    _rehearsal(studio)


def _rehearsal(command: argparse.ArgumentParser) -> None:
    studio = command.add_argument_group("rehearsal", "how the studio behaves")
    fault_help = "let a fault happen with probability P (NAME alone: always), or =@2,5: at its 2nd and 5th occasion; "
    fault_help += "an unknown name lists them all"
    studio.add_argument("--fault", action="append", default=[], metavar="NAME=P", help=fault_help)
    studio.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the faults (default: 0)")
    studio.add_argument("--latency", type=_seconds, default=0.0, metavar="S", help="fewest seconds a job takes")
    studio.add_argument("--renders", metavar="DIR", help="keep renders here: the same request is rendered once")
    studio.add_argument("--scale", type=_share, default=1.0, metavar="X", help="size of pictures; 1 is 720p (default)")


def _rest(commands: _Commands) -> None:
    doctor = _command(commands, "doctor", "doctor", "doctor", "show which ffmpeg, key, quota and disk would be used")
    doctor.add_argument("--out", metavar="DIR", help="where films go (default: films)")
    _workspace(doctor)
    completion = _command(commands, "completion", "completion", "completion", "print a shell completion script")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))


if __name__ == "__main__":
    entry()

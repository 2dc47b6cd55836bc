"""What can be typed. Only argparse is imported here: `--help` must answer at once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from . import sharing
from .kinds import count, names, number, seconds, several, whole

COMMANDS = {
    "run": "run:command",
    "compare": "compare:command",
    "sweep": "sweep:command",
    "fit": "fit:command",
    "density": "fit:command",
    "crossover": "crossover:command",
    "why": "why:command",
    "init": "init:command",
    "validate": "files:validate",
    "platforms": "files:platforms",
    "schema": "files:schema",
    "table": "table:command",
    "reproduce": "reproduce:command",
    "explain": "explain:command",
    "report": "report:command",
    "scorecard": "scorecard:command",
    "calibrate": "calibrate:command",
}
"""Command → module and function that carries it out."""

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_DESCRIPTION = """\
Simulate one host that runs the same services as virtual machines or as containers, under the same traffic.

  python -m sim scenarios/burst.yaml      run a scenario: every platform, every replication; print the comparison;
                                          write results/burst/
  python -m sim compare DIR DIR           tables and plots across finished results
  python -m sim sweep FILE                a batch of scenario points, in parallel, resumable
  python -m sim fit FILE (or density)     how many tenants, guests, how much load fit while every SLO holds
  python -m sim crossover FILE            where along one axis the better of two platforms changes
  python -m sim why FILE                  why one platform is better: the difference, mechanism by mechanism
  python -m sim init compose FILE...      a scenario from compose files, or a commented one from nothing
  python -m sim table                     the rows of VM against container as one table: Markdown, HTML, LaTeX
  python -m sim reproduce DIR             run what a result's manifest says again, compare byte for byte
  python -m sim validate FILE...          check files, run nothing
  python -m sim platforms [NAME]          the catalogue: every number with its unit and source
  python -m sim schema                    JSON Schema of the scenario file, for editors
  python -m sim explain NAME              what a metric or a doubt is, and what to do
  python -m sim report DIR                one HTML page of a result: answer, doubts, figures, a replay, sources
  python -m sim scorecard                 what is known, predicted: theory, published values, measurements
  python -m sim calibrate -o my-host.yaml  measure this machine, write a platform file, say how well it predicts

A command's own options: python -m sim COMMAND --help (for a scenario: python -m sim run --help)."""
_CODES = """\
exit codes: 0 done; 2 the input is wrong, nothing was run or written; 1 a run failed, what finished is kept;
3 with --strict, a doubt says that a number is wrong; 4 with --check-slo, an SLO is missed; 130 interrupted, what
finished is kept. Results go to standard output, progress and warnings to standard error."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the arguments; a first one that is no command is a scenario file to run. Raises SystemExit."""
    parser = _parser()
    if not arguments:
        parser.print_help()
        raise SystemExit(2)
    if arguments[0] not in COMMANDS and arguments[0] not in ("-h", "--help", "--version"):
        _check_command(parser, arguments)
        arguments = ["run", *arguments]
    return parser.parse_args(arguments)


def _check_command(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Leave with the known commands where the first word is followed by a file and is none itself."""
    first, *others = arguments
    words = [each for each in others if not each.startswith("-")]
    if first.startswith("-") or "." in first or os.path.exists(first) or not any(map(os.path.exists, words)):
        return
    from sim.reading.errors import nearest

    near = nearest(first, COMMANDS)
    parser.error(f"{first}: no such command{f'; did you mean {near}?' if near else ''} ({', '.join(COMMANDS)})")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim",
        usage="python -m sim [COMMAND] FILE… [options]",
        description=_DESCRIPTION,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _run(commands)
    _compare(commands)
    _sweep(commands)
    for name in ("fit", "density"):
        _fit(commands, name)
    _crossover(commands)
    _why(commands)
    _init(commands)
    _files(commands)
    sharing.report(partial(_add, commands))
    sharing.table(partial(_add, commands))
    sharing.reproduce(partial(_add, commands))
    _scorecard(commands)
    _calibrate(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        from sim import __version__

        print(f"hostsim {__version__}")
        parser.exit()


def _add(commands: _Commands, name: str, what: str, more: str = "") -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        prog=f"python -m sim {name}",
        description=what,
        epilog=f"{more}\n{_CODES}".strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _run(commands: _Commands) -> None:
    parser = _add(
        commands, "run", "Run a scenario on every platform and print the comparison.",
        "A result of this very scenario (same file, options and seed) is replaced when the new one is complete; a\n"
        "folder that holds a result of other settings only with --overwrite; one that is not a result never.\n",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="the scenario")
    _scenario_options(parser)
    _output_options(parser)
    parser.add_argument("--all", action="store_true", help=_ALL)
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    parser.add_argument("--check-slo", action="store_true", help="exit with 4 when an SLO is missed")
    parser.add_argument("--no-why", action="store_true", help="make no further runs to say mainly because of what")
    parser.add_argument("--keep-requests", action="store_true", help="write every request to requests.parquet")
    parser.add_argument("--trace", action="store_true", help="write trace.json, which Perfetto opens")
    parser.add_argument("--no-plots", action="store_true", help="draw no plots")


def _compare(commands: _Commands) -> None:
    parser = _add(
        commands, "compare", "Put finished results side by side, paired where the traffic was the same.",
        "Writes comparison.csv and plots to results/compare-…/, or to --out.\n",
    )  # fmt: skip
    parser.add_argument("folders", nargs="+", metavar="DIR", help="result folders; the first is compared with")
    parser.add_argument("--all", action="store_true", help=_ALL)
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    parser.add_argument("--platforms", type=names, metavar="A,B", help="only these platforms of each result")
    parser.add_argument("--out", metavar="DIR", help="where to write (default: results/compare-…)")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier comparison wrote there")
    parser.add_argument("--no-plots", action="store_true", help="draw no plots")
    _format_options(parser)


def _sweep(commands: _Commands) -> None:
    parser = _add(
        commands, "sweep", "Run a batch of scenario points in parallel; interrupted, it goes on where it was.",
        "The table is DIR/table.parquet, one row a (point, platform, replication, service, metric).\n",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="the sweep file")
    _scenario_options(parser)
    _output_options(parser)
    parser.add_argument("--scheduler", metavar="ADDRESS", help=_SCHEDULER)
    parser.add_argument("--resume", action="store_true", help="go on with what is there (the default)")
    parser.add_argument("--retry-failed", action="store_true", help="make the runs that failed once more")
    parser.add_argument("--metric", metavar="NAME", default="response.p99", help="what to plot (response.p99)")
    parser.add_argument("--sensitivity", choices=("sobol", "morris"), help="a design over the file's ranges instead")
    parser.add_argument("--size", type=count, metavar="N", help="size of that design (sobol 32, morris 8)")
    parser.add_argument("--no-plots", action="store_true", help="draw no plots")


def _fit(commands: _Commands, name: str) -> None:
    parser = _add(
        commands, name, "Find the most guests, or the most load, that the host carries while every SLO holds.",
        "Holds: every objective with 95 % confidence, no start refused, nothing killed for memory.\n"
        "fit and density are the same.\n"
        "  --vary stacks.shop.tenants              whole tenants of several services\n"
        "  --vary traffic                          all open traffic, times what the file says\n"
        "  --vary services.web.replicas,services.db.replicas      together\n"
        "  --vary services.shop.traffic.constant-arrival-rate.rate --unit /s --from 50 --step 10\n",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="the scenario")
    parser.add_argument("--vary", metavar="PATH", help="what grows (default: a stack's tenants, tenants, traffic …)")
    parser.add_argument("--unit", default="", help="unit behind the number, such as /s; or one a path, with commas")
    parser.add_argument("--from", dest="first", type=number, metavar="N", help="least value tried (1; traffic 0.05)")
    parser.add_argument("--to", dest="last", type=number, metavar="N", help="greatest value tried (none)")
    parser.add_argument("--step", type=number, metavar="N", help="precision of the answer (1; traffic 0.05)")
    parser.add_argument("--want", type=number, metavar="N", help="say how many such hosts that many take")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and how long it takes")
    parser.add_argument("--budget", type=seconds, metavar="TIME", help="end after this real time, such as 2min")
    parser.add_argument("--no-reboot", action="store_true", help="do not reboot the host at the answer")
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    _study_options(parser)


def _crossover(commands: _Commands) -> None:
    parser = _add(
        commands, "crossover", "Find where along one axis the better of two platforms changes, with an interval.",
        "  --vary services.shop.traffic.constant-arrival-rate.rate --unit /s --from 50 --to 400\n",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="the scenario")
    parser.add_argument("--vary", metavar="PATH", required=True, help="dotted path of the axis")
    parser.add_argument("--unit", default="", help="unit behind the number, such as /s")
    parser.add_argument("--from", dest="first", type=number, required=True, metavar="N", help="least value")
    parser.add_argument("--to", dest="last", type=number, required=True, metavar="N", help="greatest value")
    parser.add_argument("--whole", action="store_true", help="whole numbers only, as for replicas")
    parser.add_argument("--points", type=several, default=5, metavar="N", help="values to begin with (5)")
    parser.add_argument("--metric", metavar="NAME", default="response.p99", help="what to compare (response.p99)")
    parser.add_argument("--service", metavar="NAME", default="all", help="whose metric (all: the host)")
    _study_options(parser)


def _why(commands: _Commands) -> None:
    parser = _add(
        commands, "why", "Split the difference of two platforms in a metric over groups of mechanisms.",
        "Each group (promise, start-up, images, memory, CPU tax, I/O tax …) is taken from the one or the other\n"
        "platform, in every combination, on the same seeds; Shapley's shares of the groups add up to the difference.\n"
        "Of more than two platforms, those that are farthest apart.\n",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="the scenario, or a result's manifest.json")
    parser.add_argument("--metric", metavar="NAME", help="such as response.p99, shop/goodput, served (from the focus)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and how long it takes")
    parser.add_argument("--budget", type=seconds, metavar="TIME", help="end after this real time, such as 2min")
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    _study_options(parser)


_IMAGES = "sizes of images: JSON of docker image inspect, crane manifest, kubectl get nodes, others; may be repeated"
_TRAFFIC = (
    "recorded requests; formats: combined, common, json (nginx, Caddy, Traefik, others), csv, parquet, k6-csv, "
    "k6-json, locust-history, locust-stats, azure; without one it is found from the file's head"
)


def _init(commands: _Commands) -> None:
    parser = _add(
        commands, "init", "Write a scenario: a commented one from nothing, or one from what you have.",
        "  init -o shop.yaml; init compose docker-compose.yml -o shop.yaml; init kube deploy/ hpa.yaml -o shop.yaml\n"
        "  init prometheus cpu.json requests.json duration.json memory.json -o replay.yaml      (range queries)\n"
        "What the file does not say is guessed and marked `# guess:`.\n",
    )  # fmt: skip
    parser.add_argument("source", nargs="?", choices=("compose", "kube", "prometheus"), help="what the files are")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="the files, later ones over earlier ones; of kube folders, too, or -"
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="where to write (default: standard output)")
    parser.add_argument("--overwrite", action="store_true", help="replace that file")
    parser.add_argument("--entry", metavar="NAME", help="the service that requests from outside come to")
    parser.add_argument("--images", action="append", default=[], metavar="[NAME=]FILE", help=_IMAGES)
    parser.add_argument("--traffic", metavar="FILE[:FORMAT]", help=_TRAFFIC)
    parser.add_argument(
        "--window", type=seconds, metavar="TIME", help="of the traffic, the busiest, such as 10min of it"
    )


def _files(commands: _Commands) -> None:
    validate = _add(commands, "validate", "Check scenario and sweep files; run nothing.")
    validate.add_argument("files", nargs="+", metavar="FILE", help="scenario or sweep files")
    validate.add_argument("--strict", action="store_true", help=_STRICT)
    validate.add_argument("--force", action="store_true", help="do not tell what would take too long")
    validate.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE", help=_SET)
    platforms = _add(commands, "platforms", "Show the catalogue of platforms: every number with its unit and source.")
    platforms.add_argument("name", nargs="?", metavar="NAME", help="one platform in full")
    _format_options(platforms)
    _add(commands, "schema", "Print the JSON Schema of the scenario file, for editors.")
    explain = _add(commands, "explain", "Say what a metric or a doubt is, how it is found, and what to do.")
    explain.add_argument("name", metavar="METRIC|DOUBT", help="such as response.p99 or survivors")


def _scorecard(commands: _Commands) -> None:
    parser = _add(
        commands, "scorecard", "Run scenarios whose answer is known; print predicted against known.",
        "Writes scorecard.json, .csv, .md, .png and expected.json to results/scorecard/, or to --out.\n"
        "Exit code 1: a case failed, or is worse than expected (our own cases: than is committed).\n",
    )  # fmt: skip
    parser.add_argument("--only", metavar="TEXT", help="cases with these words in name, kind, topic, platform, source")
    parser.add_argument("--cases", action="append", metavar="FILE", help="a file of cases instead; may be repeated")
    parser.add_argument("--quick", action="store_true", help="without what takes long")
    parser.add_argument(
        "--check", metavar="FILE", help="1 if a case is worse than in this expected.json (default: ours)"
    )
    parser.add_argument("--all", action="store_true", help="exact cases that agree too")
    parser.add_argument("--workers", type=count, metavar="N", help="processes (default: as many as cores)")
    parser.add_argument("--out", metavar="DIR", help="where to write (default: results/scorecard)")
    _format_options(parser)


def _calibrate(commands: _Commands) -> None:
    parser = _add(
        commands, "calibrate", "Measure this machine, write a platform file, and say how well it predicts.",
        "Real containers, files, servers and boots; 1 to 8 at once are fitted, 16 and 32 predicted. Needs root.\n",
    )  # fmt: skip
    runtimes = ("runc", "crun", "docker", "podman")
    parser.add_argument("--runtime", choices=runtimes, default="runc", help="what starts the containers (runc)")
    parser.add_argument("-o", "--out", metavar="FILE", default="my-host.yaml", help="the platform (my-host.yaml)")
    parser.add_argument("--only", type=names, metavar="A,B", help="of starts, unpack, disk, cpu, boots")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: half a minute, wider intervals")
    parser.add_argument("--check", action="store_true", help="say what is missing here; 1 if something is")
    parser.add_argument("--kernel", metavar="FILE", help="the kernel that QEMU boots (the newest of /boot)")
    parser.add_argument("--rows", metavar="FILE.csv", help="write a row a start")
    parser.add_argument("--from", dest="rows_from", metavar="FILE.csv", help="fit starts that were measured before")
    parser.add_argument("--cpus", type=count, metavar="N", help="CPUs of the machine of --from (this machine's)")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")
    _format_options(parser)


_SCHEDULER = "an existing Dask scheduler: tcp://host:port, or the .json that it wrote"
_ALL = "every row of the table, every doubt, and when to use which"
_STRICT = "exit with 3 when a doubt says that a number does not mean what its name says"
_FORCE = "run also what is estimated to take more than 10 min of CPU a run, 1 h in all, or 2 GB"
_SET = "replace a value of the file, as in --set host.cores=4; may be repeated"


def _scenario_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE", help=_SET)
    parser.add_argument("--platforms", type=names, metavar="A,B", help="run these platforms instead of the file's")
    parser.add_argument("--replications", type=count, metavar="N", help="independent repetitions")
    parser.add_argument("--seed", type=whole, metavar="N", help="start of all random numbers")
    parser.add_argument("--force", action="store_true", help=_FORCE)


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=count, metavar="N", help="processes (default: as many as cores, if it pays)")
    parser.add_argument("--out", metavar="DIR", help="result folder (default: results/NAME)")
    parser.add_argument("--overwrite", action="store_true", help="replace a result of other settings in that folder")
    _format_options(parser)


def _study_options(parser: argparse.ArgumentParser) -> None:
    _scenario_options(parser)
    _output_options(parser)
    parser.add_argument("--scheduler", metavar="ADDRESS", help=_SCHEDULER)
    parser.add_argument("--no-plots", action="store_true", help="draw no plots")


def _format_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json"), default="table", help="on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress; warnings and errors only")

r"""`assay-train`: run a registered experiment from the command line.

```
assay-train --experiment=digits_classification --mode=train_and_eval --model_dir=runs/digits \
    --config_file=mine.yaml --params_override=trainer.train_steps=2000,task.train_data.seed=3
```

Exit codes: 0 done; 1 the training failed; 2 the command or the configuration has a mistake; 130 ended by Ctrl-C and
143 by SIGTERM, with a checkpoint.
"""

import importlib
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence

from absl import flags
from assay.core.config import (
    MODES,
    ConfigError,
    ExperimentConfig,
    get_task,
    parse_configuration,
    registered_experiments,
)
from assay.core.quiet import start_tensorflow_quietly

PROGRAM = "assay-train"
EXIT_FAILED = 1
EXIT_USAGE = 2
_EXIT_SIGNAL = 128


class UsageError(Exception):
    """A mistake in the command, as one sentence for the user."""


def define_flags() -> flags.FlagValues:
    """Return the flags of the command, apart from those of the process."""
    values = flags.FlagValues()

    def define(kind: str, name: str, default: object, text: str) -> None:
        getattr(flags, f"DEFINE_{kind}")(name, default, text, flag_values=values)

    define("string", "experiment", None, "Name of a registered experiment; --list_experiments shows them.")
    define("string", "mode", None, f"What to do: {', '.join(MODES)}.")
    define("string", "model_dir", None, "Directory of the run: checkpoints, summaries, params.yaml.")
    define("multi_string", "config_file", [], "YAML or JSON file that overrides the defaults; repeat for more.")
    define("multi_string", "params_override", [], "Pairs a.b=1,c.d=x, a YAML text or a file; repeat for more.")
    define("multi_string", "import_module", [], "Module that registers experiments; repeat for more.")
    define("bool", "enable_async_checkpointing", False, "Write checkpoints while training goes on.")
    define("bool", "list_experiments", False, "Print the names of the registered experiments.")
    define("bool", "verbose", False, "Show TensorFlow's own messages, and tracebacks of mistakes.")
    define("bool", "help", False, "Print this text.")
    return values


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line without the program; that of the process when None.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    values = define_flags()
    try:
        rest = values([PROGRAM, *arguments])[1:]
        if values.help:
            print(_help(values))
            return 0
        if rest:
            raise UsageError(f"unexpected argument {rest[0]!r}; every option has the form --name=value (see --help)")
        return _run(values, arguments)
    except (UsageError, ConfigError, flags.Error) as error:
        return _refuse(error, verbose="verbose" in values and values.is_parsed() and values.verbose)
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing was saved since the last checkpoint.", file=sys.stderr)
        return _EXIT_SIGNAL + signal.SIGINT


def _run(values: flags.FlagValues, arguments: list[str]) -> int:
    if not values.list_experiments:
        for name in ("experiment", "mode", "model_dir"):
            if not getattr(values, name):
                raise UsageError(f"--{name} is missing ({values[name].help})")
        if values.mode not in MODES:
            raise UsageError(f"--mode must be one of {', '.join(MODES)}; received {values.mode!r}")
        if os.path.exists(values.model_dir) and not os.path.isdir(values.model_dir):
            raise UsageError(f"--model_dir must be a directory; {values.model_dir} is a file")
    if not values.verbose:
        start_tensorflow_quietly()
    for name in values.import_module:
        _import(name)
    if values.list_experiments:
        print("\n".join(registered_experiments()))
        return 0
    params = _parse(values)
    return _train(values, params, arguments)


def _parse(values: flags.FlagValues) -> ExperimentConfig:
    overrides = list(values.params_override) or [""]
    params: str | ExperimentConfig = values.experiment
    for number, override in enumerate(overrides):
        last = number == len(overrides) - 1
        params = parse_configuration(
            params,
            values.config_file if number == 0 else (),
            override,
            mode=values.mode if last else None,
            lock=last,
        )
    assert isinstance(params, ExperimentConfig)
    return params


def _train(values: flags.FlagValues, params: ExperimentConfig, arguments: list[str]) -> int:
    import tensorflow as tf
    from assay.core.checkpoints import CheckpointMismatchError
    from assay.core.distribution import get_distribution_strategy
    from assay.core.divergence import DivergedError
    from assay.core.experiment import run_experiment
    from assay.core.interruption import StopRequest, TrainingInterrupted, stopping_on
    from assay.core.summary_managers import SummariesMissingError

    runtime = params.runtime
    try:
        with stopping_on(signal.SIGINT, stop=StopRequest(_say_stopping)) as stop:
            strategy = get_distribution_strategy(
                runtime.distribution_strategy,
                num_gpus=runtime.num_gpus,
                num_cpu_devices=runtime.num_cpu_devices,
                tpu=runtime.tpu,
                all_reduce_alg=runtime.all_reduce_alg,
                num_packs=runtime.num_packs,
            )
            run_experiment(
                strategy,
                get_task(params.task, logging_dir=values.model_dir),
                values.mode,
                params,
                values.model_dir,
                enable_async_checkpointing=values.enable_async_checkpointing,
                stop=stop,
            )
    except TrainingInterrupted as interrupted:
        print(f"\nStopped after step {interrupted.step}.", file=sys.stderr)
        if interrupted.checkpoint:
            print(f"Saved in {interrupted.checkpoint}. To go on:\n\n  {_command(arguments)}\n", file=sys.stderr)
        return _EXIT_SIGNAL + (interrupted.signal or signal.SIGINT)
    except DivergedError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return EXIT_FAILED
    except (CheckpointMismatchError, SummariesMissingError, OSError) as error:
        raise UsageError(str(error)) from error
    except (tf.errors.NotFoundError, tf.errors.PermissionDeniedError) as error:
        raise UsageError(error.message) from error
    return 0


def _import(name: str) -> None:
    """Import a user's module, also one that lies in the current directory."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(name)
    except ConfigError:
        raise
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise UsageError(
                f"--import_module={name}: there is no module {missing!r}, neither installed nor in {os.getcwd()}"
            ) from error
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise UsageError(
            f"--import_module={name} failed: {type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        ) from error


def _refuse(error: Exception, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error)
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return EXIT_USAGE


def _say_stopping(_signal: int | None) -> None:
    print("\nCtrl-C: ending after the present steps, then saving. Again: end at once, without.", file=sys.stderr)


def _command(arguments: Sequence[str]) -> str:
    """Return the command that was typed, to go on with."""
    program = os.path.basename(sys.argv[0])
    start = [PROGRAM] if program == PROGRAM else [os.path.basename(sys.executable), "-m", "assay.core.cli"]
    return shlex.join([*start, *arguments])


def _help(values: flags.FlagValues) -> str:
    lines = [str(__doc__), "Options:"]
    for name in values:
        if name != "help":
            lines.append(f"  --{name:<28}{values[name].help.partition(';')[0]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

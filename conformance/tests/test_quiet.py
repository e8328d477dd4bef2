import subprocess
import sys
import textwrap


def run(program):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)


def test_python_and_native_code_are_silenced_and_the_report_is_not():
    finished = run("""
        import os, sys
        from assay.conformance.quiet import silenced
        print("before")
        with silenced() as out:
            print("python")
            print("python", file=sys.stderr)
            os.write(1, b"native")
            os.write(2, b"native")
            print("report", file=out)
        print("after")
        print("error", file=sys.stderr)
    """)

    assert finished.stdout.split() == ["before", "report", "after"]
    assert finished.stderr.split() == ["error"]


def test_exception_inside_restores_the_streams():
    finished = run("""
        from assay.conformance.quiet import silenced
        try:
            with silenced():
                print("hidden")
                raise ValueError
        except ValueError:
            print("seen")
    """)

    assert finished.stdout.split() == ["seen"]


def test_inactive_changes_nothing():
    finished = run("""
        from assay.conformance.quiet import silenced
        with silenced(active=False) as out:
            print("python")
            print("report", file=out)
    """)

    assert finished.stdout.split() == ["python", "report"]

"""Errors in three parts."""

from builder.errors import BuildError, CheckError, InputError, KubeisoError, ToolMissing


def test_an_error_tells_what_details_why_and_what_next() -> None:
    error = BuildError("it broke", why="a reason", hint="a remedy", details=("one", "two"))
    assert str(error) == "it broke\n  one\n  two\nwhy: a reason\nnext: a remedy"
    assert (error.what, error.why, error.hint, error.details) == ("it broke", "a reason", "a remedy", ("one", "two"))


def test_parts_that_are_not_given_leave_no_trace() -> None:
    assert str(InputError("only this")) == "only this"


def test_each_class_has_an_exit_code_of_its_own() -> None:
    assert [error.exit_code for error in (InputError, ToolMissing, BuildError, CheckError)] == [2, 3, 4, 5]
    assert KubeisoError.exit_code == 1
    assert all(issubclass(error, KubeisoError) for error in (InputError, ToolMissing, BuildError, CheckError))

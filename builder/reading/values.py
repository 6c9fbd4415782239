"""Jinja2 in the texts of a file, after YAML was read: `{{ ... }}` stands for a value, and for nothing else.

What may stand between the braces is a small part of Jinja2: groups of values (a recipe has env, values and recipe), constants,
comparisons, the conditional expression and a few filters, none of which makes much of little. So a text is filled in at once,
always the same, and a file's structure and line numbers stay as written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from builder.reading.words import did_you_mean

FILTERS = ("default", "d", "first", "int", "last", "length", "lower", "title", "trim", "upper")
LONGEST = 1 << 20  # characters of a text that is filled in, as many as a whole file may have

ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Filter,
    nodes.Test, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Keyword,
)  # fmt: skip


class Group:
    """A named group of values; it has no other attributes, so that every name can be asked of it."""

    __slots__ = ("_name", "_values")

    def __init__(self, name: str, values: Mapping[str, str]) -> None:
        self._name, self._values = name, values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __str__(self) -> str:
        raise UndefinedError(self._name)


class Missing(StrictUndefined):
    """A name that is not there; its message is the name alone, written as the author wrote it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        group = self._undefined_obj
        return f"{group._name}.{self._undefined_name}" if isinstance(group, Group) else str(self._undefined_name)


@dataclass(frozen=True)
class Fault:
    """What is wrong in a text; `line` counts from 0 at its beginning."""

    line: int
    message: str
    hint: str = ""


class Values:
    """The values that a file's texts can name, by group. give: how a member of each group is given, {} being its name."""

    def __init__(self, groups: Mapping[str, Mapping[str, str]], give: Mapping[str, str]) -> None:
        self._groups, self._give = groups, give
        # Shell scripts have "${#name}" and the like; only a comment's mark that nobody writes would be taken for one.
        self._jinja = ImmutableSandboxedEnvironment(
            undefined=Missing, keep_trailing_newline=True, comment_start_string="{#\0", comment_end_string="\0#}"
        )
        self._jinja.filters = {name: self._jinja.filters[name] for name in FILTERS}
        self._jinja.globals = {name: Group(name, values) for name, values in groups.items()}

    def fill(self, text: str) -> tuple[str, list[Fault]]:
        """The text with its expressions filled in, and all that is wrong in it (then the text is of no use)."""
        if "{{" not in text and "{%" not in text:
            return text, []
        last = max(text.count("\n", 0, -1), 0)
        try:
            template = self._jinja.parse(text)
        except TemplateSyntaxError as error:
            return text, [Fault(min(error.lineno - 1, last), f"Jinja2 can't read this: {error.message}", LITERAL)]
        except RecursionError:
            return text, [Fault(0, "Jinja2 can't read this: parentheses within parentheses without end", LITERAL)]
        faults = [
            Fault(node.lineno - 1, f"{words} is not possible here", self._hint(node)) for node, words in forbidden(template)
        ]
        return (text, faults) if faults else self._filled(template)

    def _filled(self, template: nodes.Template) -> tuple[str, list[Fault]]:
        pieces, faults, length = [], [], 0
        for node in (child for output in template.body if isinstance(output, nodes.Output) for child in output.nodes):
            piece = self._piece(node)
            if isinstance(piece, Fault):
                faults.append(piece)
                continue
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                return "", [*faults, Fault(node.lineno - 1, f"the text is longer than {LONGEST} characters when it is filled in")]
        return "".join(pieces), faults

    def _hint(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Sub):
            return f"a name with a dash is written as {{{{ {next(iter(self._groups))}['NAME'] }}}}"
        names = ", ".join(f"{{{{ {name}.NAME }}}}" for name in self._groups)
        return f"there are {names}, comparisons, and the filters {', '.join(FILTERS)}"

    def _piece(self, node: nodes.Expr) -> str | Fault:
        """One expression by itself, so that each is checked, whatever became of the one before."""
        if isinstance(node, nodes.TemplateData):
            return node.data
        template = nodes.Template([nodes.Output([node], lineno=node.lineno)], lineno=1)
        template.set_environment(self._jinja)
        try:
            return self._jinja.from_string(template).render()
        except UndefinedError as error:
            return self._undefined(node.lineno - 1, error.message or "")
        except RecursionError:
            return Fault(node.lineno - 1, "Jinja2 can't work this out: it is nested too deeply")
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            return Fault(node.lineno - 1, f"Jinja2 can't work this out: {error}")

    def _undefined(self, line: int, name: str) -> Fault:
        group, _, member = name.partition(".")
        if name in self._groups:
            return Fault(line, f"{name} is a group of values", f"name one of them: {name}.NAME")
        if group not in self._groups:
            return Fault(
                line, f"{name!r} is not defined", did_you_mean(name, self._groups) or f"there are {', '.join(self._groups)}"
            )
        near = did_you_mean(member, self._groups[group])
        return Fault(line, f"{name} is not defined", near or self._give[group].format(member))


LITERAL = "there are only values, such as {{ values.NAME }}; write '{{' itself as {{ '{{' }}"


def forbidden(template: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    """Every outermost part of the template that goes beyond naming a value, with what it is."""
    waiting: list[nodes.Node] = [template]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield node, f"the filter {node.name!r}"
        elif not isinstance(node, ALLOWED):
            yield (
                node,
                f"{{% {type(node).__name__.lower()} %}}" if isinstance(node, nodes.Stmt) else f"a {type(node).__name__.lower()}",
            )
        else:
            waiting += node.iter_child_nodes()

"""Which names a notebook's cells take from earlier cells, and whether a later cell gives them another meaning."""

import ast
import builtins
from collections.abc import Sequence


class Names(ast.NodeVisitor):
    """The names that one cell reads from other cells and those that it binds, in the order of evaluation.

    `inside` holds, for each function, the names that its body takes from the notebook when it is called.
    """

    def __init__(self, code: str) -> None:
        self.reads: set[str] = set()
        self.binds: set[str] = set()
        self.inside: dict[str, set[str]] = {}
        self._scopes: list[set[str]] = []
        self.visit(ast.parse(code))
        self.reads -= set(dir(builtins))

    def _bind(self, name: str) -> None:
        (self._scopes[-1] if self._scopes else self.binds).add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        elif not any(node.id in scope for scope in [self.binds, *self._scopes]):
            self.reads.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all(node.value, *node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.visit(ast.Name(node.target.id, ast.Load()))
        self._all(node.value, node.target)

    def visit_For(self, node: ast.For) -> None:
        self._all(node.iter, node.target, *node.body, *node.orelse)

    def visit_comprehension_of(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)
        self._scopes.append(set())
        for number, part in enumerate(node.generators):
            self._all(*([part.iter] if number else []), part.target, *part.ifs)
        self._all(*([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]))
        self._scopes.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_comprehension_of

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._all(*node.decorator_list)
        self._bind(node.name)
        top, known = not self._scopes, self.binds
        if top:  # what the body reads is looked up when it is called
            self.binds, before, self.reads = set(), self.reads, set()
        self._function(node, node.body)
        if top:
            self.inside[node.name] = self.reads - set(dir(builtins)) - {node.name}
            self.binds, self.reads = known, before

    def _function(self, node: ast.FunctionDef | ast.Lambda, body: Sequence[ast.AST]) -> None:
        given = node.args
        self._all(*given.defaults, *filter(None, given.kw_defaults))
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
        local = {argument.arg for argument in every}
        for part in (part for statement in body for part in ast.walk(statement)):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                local.add(part.id)
        self._scopes.append(local)
        self._all(*body)
        self._scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all(*node.decorator_list, *node.bases, *node.keywords)
        self._bind(node.name)
        self._scopes.append(set())
        self._all(*node.body)
        self._scopes.pop()

    def visit_alias(self, node: ast.alias) -> None:
        self._bind((node.asname or node.name).split(".")[0])

    def visit_withitem(self, node: ast.withitem) -> None:
        self._all(node.context_expr, *filter(None, [node.optional_vars]))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """`except … as error` binds the name for the handler alone."""
        known = self.binds.copy()
        self._all(*filter(None, [node.type]))
        if node.name:
            self._bind(node.name)
        self._all(*node.body)
        if node.name and node.name not in known:
            self.binds.discard(node.name)

    def _all(self, *nodes: ast.AST) -> None:
        for node in nodes:
            self.visit(node)


def reused(cells: Sequence[str]) -> list[str]:
    """A line for each name that a cell takes from an earlier one and that this or a later cell binds anew."""
    names, lines = [Names(code) for code in cells], []
    functions: dict[str, set[str]] = {}
    for number, cell in enumerate(names):
        functions |= cell.inside
        needed, waiting = set(), [*cell.reads, *cell.inside]
        while waiting:  # a function that is called needs what its body reads, and so on
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += functions.get(name, set()) - cell.binds
        for name in sorted(needed - (cell.binds - cell.reads)):
            before = [i for i in range(number) if name in names[i].binds]
            after = [i for i in range(number, len(names)) if name in names[i].binds]
            if before and after:
                lines.append(
                    f"cell {number + 1} takes {name} from cell {before[-1] + 1}; cell {after[0] + 1} binds it anew"
                )
    return lines

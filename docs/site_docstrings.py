"""Extension of griffe, which reads the sources for the documentation site."""

import ast
import re
from typing import Any

from griffe import Extension, Object


class HouseStyle(Extension):
    """Reads shapes in annotations and the section *Example* as they are meant."""

    def on_node(self, *, node: ast.AST, **_: Any) -> None:
        """Keep "channel *space" in `Float[Tensor, "channel *space"]` from being a product.

        A string that is an expression is shown as one. With a leading blank, which jaxtyping
        ignores, it is none.
        """
        if isinstance(node, ast.FunctionDef | ast.AnnAssign):
            for part in ast.walk(node):
                match part:
                    case ast.Subscript(slice=ast.Tuple(elts=[_, ast.Constant(str(shape)) as text])):
                        if "*" in shape:
                            text.value = f" {shape.lstrip()}"

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rename the section `Example:`, which griffe takes for a note, to `Examples:`."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE
            )

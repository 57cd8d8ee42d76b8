"""Asks the processor for memory before it is needed: searches wait for their trees' memory more than they compute."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

READ, KEEP, DATA = 0, 3, 1
"""Arguments of LLVM's ``prefetch``: the access, how long to keep it (3: in all caches), and the kind of cache."""


@intrinsic
def prefetch(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """Fetches ``array[row, column]`` of at least two dimensions (its first two lines of cache); within bounds."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, arguments[0])
        given = zip(arguments[1:], signature.args[1:], strict=True)
        indices = [context.cast(builder, value, given_type, types.intp) for value, given_type in given]
        indices += [context.get_constant(types.intp, 0)] * (kind.ndim - 2)
        item = cgutils.get_item_pointer(context, builder, kind, view, indices, wraparound=False)
        byte = builder.bitcast(item, ir.IntType(8).as_pointer())
        hint = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [byte.type, hint, hint, hint])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch")
        for offset in (0, 64):
            line = builder.gep(byte, [ir.Constant(ir.IntType(64), offset)])
            builder.call(function, [line, *(ir.Constant(hint, value) for value in (READ, KEEP, DATA))])
        return context.get_dummy_value()

    return types.void(array, row, column), codegen

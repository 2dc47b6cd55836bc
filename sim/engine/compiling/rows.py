"""How compiled code sees the arrays of the data plane: `Arrays.handle` is the address of a table of addresses.

Numba passes a tuple of forty arrays as some 300 machine words to every function that it does not inline; one
pointer makes calls cheap and compiling three times faster.
"""

from __future__ import annotations

import operator
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    models,
    register_model,
)
from numba.np.arrayobj import load_item, make_array, populate_array, store_item

from sim.engine.arrays import NAMES
from sim.engine.compiling.cache import interpreted
from sim.engine.layout import ROWS


class ArraysType(types.Type):
    """The type of an `Arrays` in compiled code: the address of its table."""

    def __init__(self) -> None:
        super().__init__(name="hostsim.Arrays")


ARRAYS = ArraysType()


class Rows(types.Array):
    """The type of one of the arrays: its indices are never negative, so that none is compared with 0 and mended."""


@register_model(Rows)
class _RowsModel(models.ArrayModel):  # type: ignore[misc]  # numba is untyped
    pass


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Address of the row at an index."""
    rows, index = signature.args[:2]
    data = make_array(rows)(context, builder, arguments[0]).data
    return builder.gep(data, [context.cast(builder, arguments[1], index, types.intp)])


@lower_builtin(operator.getitem, Rows, types.Integer)
def _get(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return load_item(context, builder, signature.args[0], _place(context, builder, signature, arguments))


@lower_builtin(operator.setitem, Rows, types.Integer, types.Any)
def _set(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    rows, _, value = signature.args
    item = context.cast(builder, arguments[2], value, rows.dtype)
    store_item(context, builder, rows, item, _place(context, builder, signature, arguments))
    return context.get_dummy_value()


def _row_type(name: str) -> Any:
    return Rows(numba.from_dtype(ROWS[name]), 1, "C")


@register_model(ArraysType)
class _Model(models.PrimitiveModel):  # type: ignore[misc]  # numba is untyped
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, ir.IntType(64))


@intrinsic
def _at_address(context: Any, address: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0]

    return ARRAYS(types.int64), code


def _itself(handle: Any) -> Any:
    return handle


arrays_of: Any = _itself if interpreted() else _at_address  # the arrays that a handle stands for


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]  # numba is untyped
    key = ArraysType

    def generic_resolve(self, typ: Any, attr: str) -> Any:
        return _row_type(attr) if attr in ROWS else None


@lower_getattr_generic(ArraysType)
def _getattr(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
    array_type = _row_type(attr)
    word = ir.IntType(64)
    table = builder.inttoptr(value, word.as_pointer())
    fixed = builder.module.add_metadata([])  # the table never changes while compiled code runs

    def entry(i: int) -> Any:
        load = builder.load(builder.gep(table, [ir.Constant(word, i)]))
        load.set_metadata("invariant.load", fixed)
        return load

    i = 2 * NAMES.index(attr)
    array = make_array(array_type)(context, builder)
    itemsize = ir.Constant(word, ROWS[attr].itemsize)
    populate_array(
        array,
        data=builder.inttoptr(entry(i), array.data.type),
        shape=[entry(i + 1)],
        strides=[itemsize],
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()

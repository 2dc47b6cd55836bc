"""From the kernel's source to an object file: numba translates, LLVM compiles once, for this machine's CPU.

The one function in it, `cache.NAME`, is a function of Python's stable interface (METH_FASTCALL) around
`entry.enter`: the object knows nothing of numba, and a process that loads it does not import numba.
"""

from __future__ import annotations

import gc
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock

from sim.engine.compiling.cache import BROKEN, NAME
from sim.engine.compiling.jit import fast
from sim.engine.compiling.pipeline import UnloadedLibrary
from sim.engine.entry import enter

WHOLE, REAL, POINTER = ir.IntType(64), ir.DoubleType(), ir.IntType(8).as_pointer()
ARGUMENTS = (types.int64,) * 5 + (types.float64,) * 3


def machine_code() -> bytes:
    """The object file. Raises whatever numba raises, where it has changed inside."""
    if not fast():
        raise NotImplementedError("numba is not one that this was tested with")
    collecting = gc.isenabled()
    gc.disable()  # a tenth of the time of compiling, for nothing: numba keeps what it makes
    try:
        with global_compiler_lock:
            return _compiled()
    finally:
        if collecting:
            gc.enable()


def _compiled() -> bytes:
    kernel: Any = enter
    kernel.compile(ARGUMENTS)
    (result,) = kernel.overloads.values()
    codegen = result.library._codegen
    library = UnloadedLibrary(codegen, NAME)
    library.add_linking_library(result.library)
    library.add_ir_module(_wrapper(codegen, result))
    library.finalize()
    code: bytes = codegen._tm.emit_object(library._final_module)
    return code


def _wrapper(codegen: Any, result: Any) -> Any:
    """`PyObject *hostsim_enter(PyObject *, PyObject *const *arguments, Py_ssize_t)` as a module of LLVM."""
    module = codegen._create_empty_module(NAME)
    context = result.target_context
    inner = context.declare_function(module, result.fndesc)
    as_whole = ir.Function(module, ir.FunctionType(WHOLE, [POINTER]), "PyLong_AsLongLong")
    as_real = ir.Function(module, ir.FunctionType(REAL, [POINTER]), "PyFloat_AsDouble")
    from_whole = ir.Function(module, ir.FunctionType(POINTER, [WHOLE]), "PyLong_FromLongLong")
    occurred = ir.Function(module, ir.FunctionType(POINTER, []), "PyErr_Occurred")
    shape = ir.FunctionType(POINTER, [POINTER, POINTER.as_pointer(), WHOLE])
    outer = ir.Function(module, shape, NAME)
    builder = ir.IRBuilder(outer.append_basic_block())
    values = []
    for i, kind in enumerate(ARGUMENTS):
        given = builder.load(builder.gep(outer.args[1], [ir.Constant(WHOLE, i)]))
        values.append(builder.call(as_whole if kind is types.int64 else as_real, [given]))
    wrong = builder.icmp_unsigned("!=", builder.call(occurred, []), ir.Constant(POINTER, None))
    with builder.if_then(wrong, likely=False):
        builder.ret(ir.Constant(POINTER, None))  # Python raises what the conversion has said
    status, answer = context.call_conv.call_function(builder, inner, types.int64, ARGUMENTS, values)
    answer = builder.select(status.is_error, ir.Constant(WHOLE, BROKEN), answer)
    builder.ret(builder.call(from_whole, [answer]))
    return module

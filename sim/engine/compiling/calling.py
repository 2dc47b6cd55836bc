"""The way into the kernel: machine code from the disk, which LLVM loads in some milliseconds without numba.

What there is no machine code for yet is compiled first (`emit`), once a machine. Where that cannot be done, because
numba or LLVM has changed inside, numba does it all, as slowly as it does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock

from sim.engine.compiling.cache import NAME, PLAIN, cache_folder, interpreted, kernel_file, writable

Enter: TypeAlias = Callable[[Any, int, int, int, int, float, float, float], int]
"""`entry.enter`."""

LONGEST_WAIT = 120.0
"""How long a process waits for another that compiles the same, s; then it compiles too."""
FASTCALL = 0x80  # METH_FASTCALL of Python's stable interface: a function of an array of arguments
PYTHON = ("PyLong_AsLongLong", "PyFloat_AsDouble", "PyLong_FromLongLong", "PyErr_Occurred")  # what the code calls

_kept: list[Any] = []  # what must live as long as the code


@cache
def entry() -> Enter:
    """`entry.enter`, ready to be called: from the disk, else compiled now."""
    if interpreted():
        from sim.engine.entry import enter

        return enter
    if os.environ.get(PLAIN) != "1":
        with contextlib.suppress(Exception):  # whatever it is, numba's own way remains
            return loaded(_machine_code())
    return _numbas()


def _machine_code() -> bytes:
    """The object file: of several processes that find none, one makes it and the others wait."""
    if not writable():
        return _emitted()
    file = kernel_file()
    if file.exists():
        return file.read_bytes()
    lock = FileLock(cache_folder() / "kernel.lock", timeout=LONGEST_WAIT)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, NotImplementedError):  # no locks on this disk, or waited for too long
            held.enter_context(lock)
        if not file.exists():
            _put(file, _emitted())
    return file.read_bytes()


def _emitted() -> bytes:
    from sim.engine.compiling.emit import machine_code

    return machine_code()


def _put(file: Path, code: bytes) -> None:
    """Whole or not at all."""
    half = file.with_suffix(f".{os.getpid()}")
    half.write_bytes(code)
    half.replace(file)


class _Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def loaded(code: bytes) -> Enter:
    """The function in an object file, as Python calls it. Raises what LLVM raises, ValueError where it is not there."""
    import llvmlite.binding as llvm

    with contextlib.suppress(Exception):  # it is of itself, with the newer ones
        llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name in PYTHON:
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    target = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(NAME)
    if not address:
        raise ValueError(f"no {NAME} in the machine code")
    method = _Method(NAME.encode(), address, FASTCALL, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.POINTER(_Method), ctypes.c_void_p, ctypes.c_void_p)
    _kept.extend((engine, method))
    enter: Enter = make(ctypes.byref(method), None, None)
    return enter


def _numbas() -> Enter:
    """Numba's own way to it, which compiles anew for each type of number and so is given one of each."""
    from sim.engine.compiling.jit import njit
    from sim.engine.entry import enter as helper

    compiled = njit(helper.py_func)  # type: ignore[attr-defined]  # a helper is a dispatcher of numba

    def enter(handle: Any, op: int, who: int, i: int, j: int, x: float, y: float, t: float) -> int:
        return int(compiled(handle, op, int(who), int(i), int(j), float(x), float(y), float(t)))

    return enter

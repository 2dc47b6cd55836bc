"""How numba is made to compile the kernel in half the time that its defaults take.

The kernel is some sixty small functions that call each other. By default numba optimises each of them together
with all that it calls and makes machine code of it, then does so again for each of its callers; and it looks in each
for closures, loop lifting and parallel loops that the kernel does not have. Here a helper is only translated and linked
into its callers, and what Python calls is optimised once, as a whole. Measured side by side on one core: 21.5 s with
the defaults, 12.8 s so, 11.5 s with the garbage collector off too; requests per second are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite.ir.instructions import CallInstr
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, PassManager, register_pass

# passes for what the kernel does not use: closures, `with`, exceptions with arguments, array expressions, literals
UNUSED = {
    "WithLifting",
    "InlineClosureLikes",
    "DeadBranchPrune",
    "RewriteDynamicRaises",
    "MakeFunctionToJitFunction",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "InlineOverloads",
    "NopythonRewrites",
    "DumpParforDiagnostics",
}


class _Silent:
    """Stands for the code generator where numba tells machine code where its environment is: here is none."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: Any) -> None:
        """Nothing to tell."""


class LinkedLibrary(JITCodeLibrary):  # type: ignore[misc]  # numba is untyped
    """The code of one helper, to be linked into that of its callers and optimised there."""

    @property
    def codegen(self) -> Any:
        """The code generator, which is told of no environment."""
        return _Silent(self._codegen)

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Null, which numba takes for: not callable from Python."""
        self._ensure_finalized()
        return 0


class UnloadedLibrary(JITCodeLibrary):  # type: ignore[misc]  # numba is untyped
    """Code that is optimised as a whole and not loaded into this process."""

    def _finalize_final_module(self) -> None:
        self._finalized = True


class HotLibrary(LinkedLibrary):
    """The code of a helper of the hot loop: what it calls that is hot too is put in its place, whatever its size.

    LLVM stops at a size of its own, long before the loop is whole. Calls are marked here, not functions, so that the
    many callers beside the loop share one copy instead of having one each.
    """

    def add_ir_module(self, ir_module: Any) -> None:
        """Mark the calls, and take the code."""
        for function in ir_module.functions:
            for block in function.blocks:
                for each in block.instructions:
                    if isinstance(each, CallInstr) and is_hot(getattr(each.callee, "name", "")):
                        each.attributes.add("alwaysinline")
        super().add_ir_module(ir_module)


_HOT: set[str] = set()  # beginnings of mangled names, up to where the types of the arguments are told


def note_hot(function: Callable[..., Any]) -> None:
    """Calls of this function are put in place where the caller is hot."""
    _HOT.add(_beginning(function))


def is_hot(mangled: str) -> bool:
    """Whether a function of compiled code, or a variant of it, is one of those."""
    return mangled.partition("B")[0] in _HOT


def _beginning(function: Callable[..., Any]) -> str:
    parts = (*function.__module__.split("."), function.__qualname__)
    return "_ZN" + "".join(f"{len(part)}{part}" for part in parts)


@register_pass(mutates_CFG=False, analysis_only=True)
class _UseLinkedLibrary(LoweringPass):  # type: ignore[misc]  # numba is untyped
    _name = "hostsim_use_linked_library"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        codegen = state.targetctx.codegen()
        hot = _beginning(state.func_id.func) in _HOT
        state.library = (HotLibrary if hot else LinkedLibrary)(codegen, state.func_id.func_qualname)
        state.library.enable_object_caching()
        return True


class EntryCompiler(CompilerBase):  # type: ignore[misc]  # numba is untyped
    """For functions that Python calls: numba's own pipeline without the passes that find nothing in the kernel."""

    def define_pipelines(self) -> list[PassManager]:
        """The one list of passes to go through."""
        whole = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager = PassManager("hostsim")
        for each, description in whole.passes:
            if each.__name__ == "NativeLowering":
                self.before_lowering(manager)
            if each.__name__ not in UNUSED:
                manager.add_pass(each, description)
        manager.finalize()
        return [manager]

    def before_lowering(self, manager: PassManager) -> None:
        """Nothing more for an entry point."""


class HelperCompiler(EntryCompiler):
    """For functions that only compiled code calls."""

    def before_lowering(self, manager: PassManager) -> None:
        """Choose the library before code is written into it."""
        manager.add_pass(_UseLinkedLibrary, "use a library that is only linked")

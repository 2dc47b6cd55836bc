"""The building bricks of the schema: strict models that report every mistake, and fields read from human forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic import ValidatorFunctionWrapHandler as Handler
from pydantic_core import CoreSchema, core_schema

from sim.reading import units
from sim.reading.errors import Finding, Loc, Refused, nearest, show

JsonSchema = dict[str, Any]
Info: TypeAlias = ValidationInfo


@dataclass(frozen=True)
class Context:
    """What validators must know: the folder of the file; `resolved`: the tree is in SI already (from `to_dict`)."""

    base: Path = field(default_factory=Path)
    resolved: bool = False


def context_of(info: Info) -> Context:
    """The context of a validation, or the default one."""
    return info.context if isinstance(info.context, Context) else Context()


@dataclass(frozen=True)
class Human:
    """Annotation of a field that is written in a human form: how to read it, and its JSON schema for editors.

    `parse(value, info)` gives the canonical value or raises Refused or UnitError; `schema` is the JSON schema,
    or a function of the canonical type's one.
    """

    parse: Callable[[Any, Info], Any]
    schema: JsonSchema | Callable[[JsonSchema], JsonSchema]

    def _read(self, value: Any, info: Info) -> Any:
        return value if context_of(info).resolved else self.parse(value, info)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the human form, then validate the canonical one."""
        return core_schema.with_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        """The schema of the human form."""
        return self.schema(handler(core)) if callable(self.schema) else dict(self.schema)


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and reports all its mistakes in one Refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
    noun: ClassVar[str] = "a mapping"

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Mistakes between fields; `values` lacks the fields that are wrong themselves."""
        return []

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, value: Any, handler: Handler, info: Info) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise Refused([Finding((), show(value), f"{cls.noun} with {', '.join(cls.model_fields)}")])
        findings: list[Finding] = []
        try:
            model: Self = handler(value)
        except ValidationError as error:
            findings = findings_of(error, cls)
            failed = {finding.loc[0] for finding in findings if finding.loc}
            findings += cls.cross(_sound(cls, value, failed, info), value)
        else:
            findings = cls.cross(dict(model), value)
        if findings:
            raise Refused(findings)
        return model


M = TypeVar("M", bound=Strict)
T = TypeVar("T")


@cache
def _adapter(model: type[Strict], name: str) -> TypeAdapter[Any]:
    """A validator of one field alone."""
    annotation: Any = model.model_fields[name].annotation
    for extra in model.model_fields[name].metadata:
        annotation = Annotated[annotation, extra]
    return TypeAdapter(annotation)


def _sound(model: type[Strict], raw: Mapping[str, Any], failed: set[str | int], info: Info) -> dict[str, Any]:
    """The fields of a wrong model that are right themselves, parsed, so that cross checks can still be made."""
    values: dict[str, Any] = {}
    for name, spec in model.model_fields.items():
        if name in failed or (name not in raw and spec.is_required()):
            continue
        if name in raw:
            values[name] = _adapter(model, name).validate_python(raw[name], context=info.context)
        else:
            values[name] = spec.get_default(call_default_factory=True)
    return values


def changed(old: M, parts: Mapping[str, Any], raw: Mapping[str, Any], keys: Iterable[str], context: Context) -> M:
    """The model `old` of a tree, after `keys` of the tree have changed; all others keep what they are.

    `parts` holds their new values (raw, or models already where they are), `raw` is the tree as the user wrote it.
    Raises Refused with every mistake, as a validation of the whole does.
    """
    model = type(old)
    values, findings = dict(old), []
    for key in keys:
        try:
            values[key] = _adapter(model, key).validate_python(parts[key], context=context)
        except ValidationError as error:
            del values[key]
            findings += [finding.under(key) for finding in findings_of(error)]
    if findings := findings + model.cross(values, raw):
        raise Refused(findings)
    return old.model_copy(update=values)


def findings_of(error: ValidationError, model: type[Strict] | None = None) -> list[Finding]:
    """Findings of a validation of `model`; a required key that is merely misspelt is reported once, as misspelt."""
    findings: list[Finding] = []
    missing: list[Finding] = []
    fields = model.model_fields if model is not None else {}
    known = [name for name in fields if name != "kind" or fields[name].is_required()]
    meant: set[str | None] = set()
    for each in error.errors(include_url=False):
        loc: Loc = each["loc"]
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, Refused):
            findings += [finding.under(*loc) for finding in cause.findings]
        elif isinstance(cause, units.UnitError):
            findings.append(Finding(loc, cause.found, cause.allowed, cause.suggestion))
        elif each["type"] == "missing":
            about = fields[str(loc[-1])].description or "a value"
            missing.append(Finding(loc, "nothing", f"a value, it is required: {about}"))
        elif each["type"] == "extra_forbidden":
            near = nearest(loc[-1], known)
            meant.add(near)
            findings.append(Finding(loc, "an unknown key", f"one of {', '.join(known)}", near, on_key=True))
        elif each["type"] in ("list_type", "dict_type"):
            allowed = "a list" if each["type"] == "list_type" else "a mapping"
            findings.append(Finding(loc, show(each["input"]), allowed))
        else:
            findings.append(Finding(loc, show(each["input"]), each["msg"]))
    return findings + [finding for finding in missing if finding.loc[-1] not in meant]


class Collector:
    """Validates the parts of a human form one by one and keeps every finding under the keys that the user typed."""

    def __init__(self, info: Info) -> None:
        self.info = info
        self.findings: list[Finding] = []

    def model(self, model: type[M], value: Any, *loc: str | int) -> M | None:
        """The value as a model, or None with its findings kept under `loc`."""
        try:
            return model.model_validate(value, context=self.info.context)
        except ValidationError as error:
            self.findings += [finding.under(*loc) for finding in findings_of(error, model)]
            return None

    def call(self, parse: Callable[[Any], T], value: Any, *loc: str | int) -> T | None:
        """The result of a parser, or None with its findings kept under `loc`."""
        try:
            return parse(value)
        except units.UnitError as error:
            self.findings.append(Finding(loc, error.found, error.allowed, error.suggestion))
        except Refused as refused:
            self.findings += [finding.under(*loc) for finding in refused.findings]
        return None

    def add(self, found: str, allowed: str, *loc: str | int, near: str | None = None, on_key: bool = False) -> None:
        """Keep one finding."""
        self.findings.append(Finding(loc, found, allowed, near, on_key))

    def unknown(self, raw: Mapping[str, Any], known: tuple[str, ...], *loc: str | int) -> None:
        """Keep a finding for every key of `raw` that is not known."""
        for key in raw:
            if key not in known:
                allowed = f"one of {', '.join(known)}"
                self.add("an unknown key", allowed, *loc, key, near=nearest(key, known), on_key=True)

    def done(self) -> None:
        """Raise Refused if anything was found."""
        if self.findings:
            raise Refused(self.findings)


def bounded(
    kind: str, *, above: float | None = None, least: float | None = None, most: float | None = None,
    optional: bool = False,
) -> Callable[[Any], float | None]:  # fmt: skip
    """A parser of a quantity within bounds given in its SI base; `optional`: null and `none` mean None."""
    limits = [("more than", above), ("at least", least), ("at most", most)]
    wording = " and ".join(f"{word} {_edge(kind, edge)}" for word, edge in limits if edge is not None)
    allowed = f"{units.DIMENSIONS[kind].allowed}; {wording}" if wording else units.DIMENSIONS[kind].allowed
    if optional:
        allowed += ", or none"

    def parse(value: Any) -> float | None:
        if optional and (value is None or value == "none"):
            return None
        try:
            number = units.convert(kind, value)
        except units.UnitError as error:
            raise units.UnitError(error.found, allowed, error.suggestion) from None
        low = (above is not None and number <= above) or (least is not None and number < least)
        if low or (most is not None and number > most):
            raise units.UnitError(str(value), allowed)
        return number

    return parse


def _edge(kind: str, edge: float) -> str:
    return str(units.render(kind, edge)) if edge else "0"


def quantity(
    kind: str, *, above: float | None = None, least: float | None = None, most: float | None = None,
    optional: bool = False,
) -> Human:  # fmt: skip
    """A field holding a quantity (see `bounded`); its value is an SI float."""
    parse = bounded(kind, above=above, least=least, most=most, optional=optional)
    return Human(lambda value, info: parse(value), quantity_schema(kind, optional=optional))


def quantities(kind: str, example: str, *, above: float | None = None, least: float | None = None) -> Human:
    """A field holding a list of quantities (see `bounded`), such as `example`; its value is a tuple of SI floats."""
    bounds = bounded(kind, above=above, least=least)

    def parse(value: Any, info: Info) -> tuple[float, ...]:
        collect = Collector(info)
        if not isinstance(value, list):
            collect.add(show(value), f"a list of {example}")
            collect.done()
        found = [collect.call(bounds, each, index) for index, each in enumerate(value)]
        collect.done()
        return tuple(each for each in found if each is not None)

    return Human(parse, {"type": "array", "items": quantity_schema(kind)})


def quantity_schema(kind: str, *, optional: bool = False) -> JsonSchema:
    """JSON schema of the human form of a quantity."""
    wanted = units.DIMENSIONS[kind]
    names = "|".join(sorted((name.replace("/", r"\/") for name in wanted.units), key=len, reverse=True))
    number = r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?"
    form = rf"({number}\s*({names})\s*)+" if names else number
    forms: list[JsonSchema] = [{"type": "string", "pattern": rf"^\s*({form}{'|' + number if wanted.bare else ''})\s*$"}]
    if wanted.bare:
        forms.insert(0, {"type": "number"})
    if optional:
        forms += [{"type": "null"}, {"const": "none"}]
    return {"anyOf": forms, "x-quantity": kind} if len(forms) > 1 else {**forms[0], "x-quantity": kind}


MOST: Final = 10**15
"""The greatest whole number but seeds: one that floats and 64 bits still count exactly."""


def whole(value: Any, least: int, *, optional: bool = False, most: float = MOST) -> int | None:
    """A whole number from `least` to `most`; `optional`: null and `none` mean None. Raises UnitError."""
    if optional and (value is None or value == "none"):
        return None
    allowed = f"a whole number, at least {least}" + (", or none" if optional else "")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < least:
        raise units.UnitError(show(value), allowed)
    if value > most:
        raise units.UnitError(show(value), f"{allowed}; at most {most:.0e}")
    return int(value)


def count(least: int, *, optional: bool = False, most: float = MOST) -> Human:
    """A field holding a whole number of at least `least` and at most `most`."""
    schema: JsonSchema = {"type": "integer", "minimum": least}
    if optional:
        schema = {"anyOf": [schema, {"type": "null"}, {"const": "none"}]}
    return Human(lambda value, info: whole(value, least, optional=optional, most=most), schema)


def one_of(value: Any, names: tuple[str, ...]) -> str:
    """One of `names`. Raises UnitError with the nearest."""
    if isinstance(value, str) and value in names:
        return value
    raise units.UnitError(show(value), f"one of {', '.join(names)}", nearest(value, names))


def choice(*names: str) -> Human:
    """A field holding one of `names`."""
    return Human(lambda value, info: one_of(value, names), {"enum": list(names)})


def words(value: Any, *, optional: bool = False) -> str | None:
    """Text that is not empty; `optional`: null means None. Raises UnitError."""
    if optional and value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise units.UnitError(show(value), "text")
    return value


def text(*, optional: bool = False) -> Human:
    """A field holding text."""
    schema: JsonSchema = {"type": ["string", "null"] if optional else "string"}
    return Human(lambda value, info: words(value, optional=optional), schema)


def yes_no(value: Any) -> bool:
    """True or false. Raises UnitError."""
    if not isinstance(value, bool):
        raise units.UnitError(show(value), "true or false")
    return value


def flag() -> Human:
    """A field holding true or false."""
    return Human(lambda value, info: yes_no(value), {"type": "boolean"})

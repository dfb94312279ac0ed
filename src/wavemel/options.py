"""Options from config files, made into frozen dataclasses; what does not fit is refused by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from wavemel.errors import ConfigError
from wavemel.registry import suggest


def make_config(config: type, options: dict[str, Any], what: str, **given: Any) -> Any:
    """Return ``config`` made from ``options`` and what of ``given`` it knows, nested ones included."""
    fields = {f.name: f for f in dataclasses.fields(config)}
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in fields:
            raise ConfigError(f"{what} has no option {key!r}{suggest(key, fields)}")
        values[key] = _frozen(value)
        # Any text is true to Python: 'no' in quotes would switch on what it means to switch off.
        if isinstance(fields[key].default, bool) and not isinstance(value, bool):
            raise ConfigError(f"{what}: {key} is true or false, not {value!r}")
    for key, field in fields.items():
        nested = field.default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            inner = options.get(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{what}: option {key!r} must be a mapping, not {inner!r}")
            values[key] = make_config(nested, inner, f"{what}, {key!r}", **given)
        elif key in given:
            if key in options and values[key] != given[key]:
                raise ConfigError(
                    f"{what}: {key!r} is {given[key]!r} by the rest of the description; leave it out"
                )
            values[key] = given[key]
    try:
        return config(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what}: {error}") from error


def options_of(made: Any, given: Iterable[str] = ()) -> dict[str, Any]:
    """Return all options of what `make_config` has made, as a config file holds them.

    ``given`` names those that follow from elsewhere and are left out, nested ones included.
    """
    options: dict[str, Any] = {}
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        if dataclasses.is_dataclass(value):
            options[field.name] = options_of(value, given)
        elif field.init and field.name not in given:
            options[field.name] = _thawed(value)
    return options


def _thawed(value: Any) -> Any:
    return [_thawed(v) for v in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value

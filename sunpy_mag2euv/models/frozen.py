"""Dictionaries and lists that cannot be changed in place, since a model that was read is handed out again and again."""

from typing import Any, NoReturn

__all__ = ["frozen", "thawed"]


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError("a model cannot be changed in place; make another one with dataclasses.replace")


class _Dict(dict):
    """A dictionary that stays as it was made; pickled and copied it stays so, too."""

    __slots__ = ()
    __delitem__ = __ior__ = __setitem__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple:
        return type(self), (dict(self),)


class _List(list):
    """A list that stays as it was made."""

    __slots__ = ()
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple:
        return type(self), (list(self),)


def frozen(value: Any) -> Any:
    """A copy of dictionaries and lists, and those in them, that cannot be changed in place; anything else as it is."""
    if isinstance(value, _Dict | _List):
        return value
    if isinstance(value, dict):
        return _Dict({key: frozen(entry) for key, entry in value.items()})
    return _List(map(frozen, value)) if isinstance(value, list) else value


def thawed(value: Any) -> Any:
    """The same again to be changed at will."""
    if isinstance(value, dict):
        return {key: thawed(entry) for key, entry in value.items()}
    return list(map(thawed, value)) if isinstance(value, list) else value

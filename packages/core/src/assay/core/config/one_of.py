"""`OneOfConfig`: a choice between configs, written `{type: sgd, sgd: {momentum: 0.9}}`."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from assay.core.config.base import Config
from assay.core.config.checking import children, field_types, join
from assay.core.config.errors import Problem


@dataclasses.dataclass
class OneOfConfig(Config):
    """A named choice: `type` names the field that counts, and the others are not part of the configuration.

    ```python
    @dataclasses.dataclass
    class BackboneConfig(OneOfConfig):
        type: str | None = "resnet"
        resnet: ResNetConfig = dataclasses.field(default_factory=ResNetConfig)
        mobilenet: MobileNetConfig = dataclasses.field(default_factory=MobileNetConfig)

    BackboneConfig().get()  # the ResNetConfig
    ```

    Attributes:
        type: The name of one of the other fields; None for no choice, where that is allowed.
    """

    type: str | None = None

    @classmethod
    def choices(cls) -> list[str]:
        """Return the names that `type` can have."""
        return [name for name in field_types(cls) if name != "type"]

    def get(self) -> Any:
        """Return the chosen config, None when `type` is None."""
        return None if self.type is None else getattr(self, self.type)

    def as_dict(self) -> dict[str, Any]:
        """Return the choice and the chosen config only."""
        everything = super().as_dict()
        return {name: everything[name] for name in ("type", self.type) if name is not None}

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when `type` names no choice."""
        if self.type is not None and self.type not in self.choices():
            yield Problem("type", self._no_choice(self.type))

    def mapping_problems(self, mapping: Mapping[str, Any]) -> Iterable[Problem]:
        """Yield a problem for a type that is no choice, and for options of a choice that is not made."""
        chosen = mapping.get("type", self.type)
        if chosen is not None and chosen not in self.choices():
            if isinstance(chosen, str):
                yield Problem("type", self._no_choice(chosen))
            return
        for key in mapping:
            if key in self.choices() and key != chosen:
                yield Problem(key, f"has no effect, because `type` is {chosen!r}; set `type` to {key!r} as well.")

    def _no_choice(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.choices(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"there is no {name!r}.{hint} Choices: {', '.join(self.choices())}."

    def _children_in_force(self, path: str) -> Iterable[tuple[str, Config]]:
        # The options of what is not chosen are not part of the configuration, so they cannot break a rule.
        if self.type in self.choices():
            yield from children(self.get(), join(path, self.type))

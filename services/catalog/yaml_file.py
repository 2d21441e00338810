"""The seminar document as a YAML file, to be written by hand and read back."""

from typing import Any

import yaml

from services.catalog.document import Document


class NotYamlError(ValueError):
    """The text is no YAML, or no seminar; says where."""


class _TextLoader(yaml.SafeLoader):
    """Loads every scalar but null as text: YAML 1.1 reads 10:00 as 600 and no as false."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases: a few lines of them could stand for more than the memory holds."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"line {self.line + 1}: aliases (*) are not read")
        return super().compose_node(parent, index)


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as one would by hand."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def read(text: str) -> dict[str, Any]:
    """Return the fields of a seminar file; raises NotYamlError with the line that is no YAML."""
    try:
        fields = yaml.load(text, Loader=_TextLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise NotYamlError(str(error)) from error
    if not isinstance(fields, dict):
        raise NotYamlError("slug: missing")
    return fields


def write(document: Document) -> str:
    """Return the seminar file that says the same; what is not there is not mentioned."""
    fields = document.model_dump(mode="json", exclude_none=True)
    return yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)

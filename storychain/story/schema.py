"""The JSON Schema of the story file, draft-07, made from the format so that the two cannot disagree.

What lives here: what turns pydantic's schema (2020-12) into one that older editors read.
"""

from __future__ import annotations

from typing import Any

from storychain.story.format import WrittenStory

DRAFT = "http://json-schema.org/draft-07/schema#"


def story_schema() -> dict[str, Any]:
    """Return the schema; every field has a description and examples."""
    made = WrittenStory.model_json_schema(ref_template="#/definitions/{model}")
    made["definitions"] = made.pop("$defs")
    return {"$schema": DRAFT, "title": "storychain story", **_tidy(made)}


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Return one schema without generated titles, nulls and defaults of nothing, which no one should write."""
    kept = {key: _tidied(key, value) for key, value in schema.items() if key != "title"}
    if "default" in kept and kept["default"] is None:
        del kept["default"]
    choices = [choice for choice in kept.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        kept = {**_standalone(choices[0]), **kept}
    return kept


def _tidied(key: str, value: Any) -> Any:
    if key in {"properties", "definitions"}:
        return {name: _tidy(schema) for name, schema in value.items()}
    if key == "anyOf":
        return [_tidy(schema) for schema in value]
    return _tidy(value) if key in {"items", "additionalProperties"} and isinstance(value, dict) else value


def _standalone(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that may have neighbours: draft-07 ignores whatever stands beside a `$ref`."""
    return {"allOf": [schema]} if "$ref" in schema else schema

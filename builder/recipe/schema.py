"""The JSON schema of a recipe, for editors: made from the models that check it."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from builder.recipe.model import Recipe

TEMPLATE = {"type": "string", "pattern": r"\{\{", "description": "a text with a Jinja2 value, such as {{ values.NAME }}"}


class _Generator(GenerateJsonSchema):
    """No key of a recipe can be null: who has nothing to say leaves it out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value is not None}


def schema() -> dict[str, Any]:
    """JSON schema, draft 2020-12. It says all but what needs the files beside a recipe or compares values."""
    made = with_templates(Recipe.model_json_schema(schema_generator=_Generator))
    made["$defs"]["Template"] = TEMPLATE
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": "kubeiso recipe", "description": "A node image of kubeiso"}
    return {**made, **head}


def with_templates(part: Any) -> Any:
    """Where a text has to have a shape, a text with a template is as good: the loader looks at what comes out of it."""
    if isinstance(part, list):
        return [with_templates(item) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") in ("boolean", "integer") or (
        part.get("type") == "string" and part.keys() & {"pattern", "enum", "const"}
    ):
        shape = {key: value for key, value in part.items() if key not in ("title", "description", "default", "examples")}
        notes = {key: value for key, value in part.items() if key not in shape}
        return {**notes, "anyOf": [shape, {"$ref": "#/$defs/Template"}]}
    return {key: with_templates(value) for key, value in part.items()}

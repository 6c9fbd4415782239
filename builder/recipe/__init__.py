"""recipe: YAML + Jinja2 values -> Recipe."""

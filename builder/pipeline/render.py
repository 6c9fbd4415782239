"""The LinuxKit YAML of a role without a build."""


from builder.pipeline.model import Plan
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Store


def render(project: Project, plan: Plan, role: Role, store: Store) -> str:
    """The role's YAML. Images that were built before are pinned by digest; others go by their tag, with a warning."""
    raise NotImplementedError

"""What a recipe builds for that names no version of Kubernetes."""

from builder.components.source import Target
from builder.pipeline.kubernetes import chosen_version
from builder.project import Project

DEFAULT = Target(kubernetes=chosen_version(Project.here(), None))

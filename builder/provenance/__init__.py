"""provenance: Built -> what lies beside a medium."""

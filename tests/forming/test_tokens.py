"""Tokens and hashes as kubeadm wants them."""

import re

from builder.forming.secret import new_token


def test_tokens_have_the_form_that_kubernetes_wants_and_differ() -> None:
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)

"""What parts may be used under: read from the files that their makers ship, and nothing said of what is not known."""

import zipfile
from pathlib import Path

import pytest

from builder.provenance.gomodules import Module
from builder.provenance.licences import Terms, debian_terms, escaped, licences_of, module_terms, of_modules, spdx_name
from builder.store import Store

DEP5 = """Format: https://www.debian.HOST/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: toy

Files: *
Copyright: 2020 Someone
License: GPL-2+

Files: lib/*
Copyright: 2021 Someone else
License: Expat or public-domain
"""
MIT = """Copyright (c) 2020 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of this software ...
The above copyright notice and this permission notice shall be included in all copies ..."""
BSD = """Redistribution and use in source and binary forms, with or without modification, are permitted ...
 * Redistributions in binary form must reproduce the above copyright notice ...
"""


def test_a_copyright_file_of_debian_that_a_machine_can_read() -> None:
    text = DEP5.replace("debian.HOST", "debian" + ".org")
    assert debian_terms(text) == Terms("GPL-2.0-or-later AND LicenseRef-Debian-public-domain AND MIT")


def test_one_that_only_people_can_read_says_nothing() -> None:
    assert debian_terms("This package was debianized by hand.\n\nGPL, see /usr/share/common-licenses/GPL-2") == Terms()
    assert debian_terms("") == Terms()


@pytest.mark.parametrize(
    ("debian", "spdx"),
    [
        ("GPL-2", "GPL-2.0-only"), ("GPL-2+", "GPL-2.0-or-later"), ("GPL-2.0+", "GPL-2.0-or-later"), ("custom", ""),
        ("LGPL-2.1", "LGPL-2.1-only"), ("GFDL-1.3+", "GFDL-1.3-or-later"), ("Expat", "MIT"), ("BSD-3-clause", "BSD-3-Clause"),
        ("GPL-2+ with Bison exception", ""),
    ],
)  # fmt: skip
def test_debians_names_in_spdx_words(debian: str, spdx: str) -> None:
    assert spdx_name(debian) == spdx


def test_texts_are_known_by_their_own_words() -> None:
    assert licences_of(MIT) == {"MIT"}
    assert licences_of(BSD) == {"BSD-2-Clause"}
    assert licences_of(BSD + "Neither the name of X nor the names of its contributors may be used") == {"BSD-3-Clause"}
    assert licences_of(MIT + BSD) == {"MIT", "BSD-2-Clause"}, "both have to be kept to"
    assert licences_of("All rights reserved.") == set()


def archive(store: Store, module: Module, files: dict[str, str]) -> Path:
    path = store.scratch("go") / "mod/cache/download" / escaped(module.path) / "@v" / f"{escaped(module.version)}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as members:
        for name, text in files.items():
            members.writestr(f"{module.path}@{module.version}/{name}", text)
    return path


def test_a_module_says_it_in_the_files_at_its_top(tmp_path: Path) -> None:
    store, module = Store(tmp_path), Module("github.com/BurntSushi/toml", "v1.5.0", "h1:x")
    made = archive(store, module, {"COPYING": MIT, "LICENSE-BSD.txt": BSD, "sub/LICENSE": "another's", "licence.go": "package x"})
    assert "!burnt!sushi" in str(made)
    assert of_modules([module], store) == {module: Terms("BSD-2-Clause AND MIT")}
    made.unlink()
    assert of_modules([module], store) == {module: Terms("BSD-2-Clause AND MIT")}, "it was read once"


def test_what_is_not_known_is_not_guessed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    own, none, gone = (Module(f"x.test/{name}", "v1.0.0") for name in ("own", "none", "gone"))
    archive(store, own, {"LICENSE": "All rights reserved.", "COPYING": MIT})
    archive(store, none, {"README": MIT})
    found = of_modules([own, none, gone, Module("stdlib", "1.27.3")], store)
    assert found[own] == Terms(words="see its COPYING, see its LICENSE")
    assert found[none] == found[gone] == Terms()
    assert found[Module("stdlib", "1.27.3")] == Terms("BSD-3-Clause")
    archive(store, gone, {"LICENSE": MIT})
    assert of_modules([gone], store)[gone] == Terms("MIT"), "that nothing was known is not remembered"
    assert module_terms({}) == Terms()


def test_an_unpacked_module_needs_no_archive(tmp_path: Path) -> None:
    """Archives of what is unpacked are not kept (builder/components/gomodules.py)."""
    store, module = Store(tmp_path), Module("github.com/Azure/x", "v1.0.0-RC1")
    folder = store.scratch("go") / "mod/github.com/!azure/x@v1.0.0-!r!c1"
    (folder / "LICENSES").mkdir(parents=True)
    (folder / "LICENSE").write_text(MIT)
    (folder / "license.go").write_text("package x")
    assert of_modules([module], store) == {module: Terms("MIT")}

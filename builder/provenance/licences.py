"""What a part may be used under, as SPDX calls it (spdx.org/licenses): read from what its makers ship."""

import logging
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.components.model import DebianPackage
from builder.images.packages import read_from
from builder.provenance.gomodules import Module
from builder.store import Store, key_of

# Debian's short names (DEP-5, "License specification") where SPDX has others; versions are rewritten by rule below.
DEBIAN = {
    "expat": "MIT", "mit": "MIT", "x11": "X11", "mit/x11": "MIT", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause", "isc": "ISC", "zlib": "Zlib", "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0", "apache-2.0": "Apache-2.0", "artistic": "Artistic-1.0-Perl", "artistic-2.0": "Artistic-2.0",
    "psf-2": "PSF-2.0", "mpl-2.0": "MPL-2.0", "mpl-1.1": "MPL-1.1", "openssl": "OpenSSL", "0bsd": "0BSD",
    "unlicense": "Unlicense", "bsl-1.0": "BSL-1.0", "bsl-1": "BSL-1.0", "curl": "curl", "unicode": "Unicode-TOU",
    "unicode-dfs-2016": "Unicode-DFS-2016", "ftl": "FTL", "python-2.0": "Python-2.0",
}  # fmt: skip
GNU = re.compile(r"(?P<name>(?:l|a)?gpl|gfdl)-(?P<version>\d(?:\.\d)?)(?P<later>\+?)")

# Words that stand in the text of one licence alone. Go's modules have few others; no library that is kept up reads them without
# hundreds of megabytes of its own.
TEXTS = (
    ("Apache-2.0", ("apache license", "version 2.0", "terms and conditions for use, reproduction, and distribution")),
    ("MPL-2.0", ("mozilla public license", "version 2.0")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "names of its contributors", "nor the")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "nor the names of", "endorse or promote")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms", "binary form must reproduce")),
    ("MIT", ("permission is hereby granted, free of charge", "the above copyright notice and this permission notice")),
    ("ISC", ("permission to use, copy, modify, and", "distribute this software for any purpose with or without fee")),
    ("Unlicense", ("this is free and unencumbered software",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
)  # fmt: skip
NO_TEXT = (".go", ".tmpl", ".sh", ".csv")
STANDARD = "stdlib"
REFERENCE = "LicenseRef-Debian-"
TEXT_FILE = re.compile(r"(?:licen[cs]e|copying)(?:[.-][a-z0-9.-]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Terms:
    """expression: SPDX', "" where not all of it is known. words: what its makers call them, where SPDX has no name for one."""

    expression: str = ""
    words: str = ""


def of_debian(package: DebianPackage, store: Store) -> Terms:
    """From the package's own copyright file, where a machine can read it (DEP-5); read once."""
    known = store.once(key_of("debian licences", 2, package.sha256), lambda: vars(_read_debian(package, store)))
    return Terms(**known)


def _read_debian(package: DebianPackage, store: Store) -> Terms:
    wanted = f"usr/share/doc/{package.name}/copyright"
    text = read_from(store.path(package.sha256), wanted)
    return debian_terms(text.decode(errors="replace")) if text else Terms()


def debian_terms(text: str) -> Terms:
    """The licences of all the files that a copyright file names, each once."""
    from debian.copyright import Copyright, NotMachineReadableError

    logging.getLogger("debian").addHandler(logging.NullHandler())  # it tells of old forms of the file's first line
    try:
        found = Copyright(text.splitlines(), strict=False)
        named = {str(each.license.synopsis) for each in found.all_files_paragraphs() if each.license}  # type: ignore[attr-defined]
    except (NotMachineReadableError, ValueError):
        return Terms()
    single = {word for synopsis in named for word in re.split(r",?\s+(?:and|or)\s+|,\s*", synopsis.strip()) if word}
    return Terms(" AND ".join(sorted({spdx_name(word) or reference(word) for word in single})))


def reference(word: str) -> str:
    """A name within the document for a licence that SPDX has none for (SPDX 2.3, 10.1)."""
    return f"{REFERENCE}{re.sub(r'[^A-Za-z0-9.]+', '-', word).strip('-')}"


def spdx_name(word: str) -> str:
    """What SPDX calls what Debian calls so; "" where it has no name for it."""
    low = word.lower().removesuffix(".0") if word.lower().startswith(("gpl", "lgpl")) else word.lower()
    if gnu := GNU.fullmatch(low):
        version = gnu["version"] if "." in gnu["version"] else f"{gnu['version']}.0"
        return f"{gnu['name'].upper()}-{version}-{'or-later' if gnu['later'] else 'only'}"
    return DEBIAN.get(low, "")


def of_modules(modules: Iterable[Module], store: Store) -> dict[Module, Terms]:
    """From the licence files of modules that Go has here, unpacked or packed; of others nothing is known. Read once."""
    return {module: _of_module(module, store) for module in modules}


def _of_module(module: Module, store: Store) -> Terms:
    if module.path == STANDARD:
        return Terms("BSD-3-Clause")  # go.dev/LICENSE
    key = key_of("go licences", 3, module.path, module.version, module.sum)
    if known := store.recall(key):
        return Terms(**known)
    found = module_terms(licence_texts(module, store.scratch("go") / "mod"))
    if found.expression or found.words:
        store.remember(key, vars(found))
    return found


def licence_texts(module: Module, modules: Path) -> dict[str, str]:
    """The licence files at a module's top by their names, from Go's cache of modules (go.dev/ref/mod, "Module cache")."""
    path, version = escaped(module.path), escaped(module.version)
    folder, archive = modules / f"{path}@{version}", modules / "cache/download" / path / "@v" / f"{version}.zip"
    if folder.is_dir():
        files = [each for each in folder.iterdir() if _is_licence(each.name) and each.is_file()]
        return {each.name: each.read_text(errors="replace") for each in files}
    if not archive.is_file():
        return {}
    top = f"{module.path}@{module.version}/"
    with zipfile.ZipFile(archive) as members:
        names = [name for name in members.namelist() if name.startswith(top) and _is_licence(name.removeprefix(top))]
        return {name.removeprefix(top): members.read(name).decode(errors="replace") for name in names}


def escaped(path: str) -> str:
    """As Go has paths and versions in its cache of modules: a capital letter is "!" and the small one (go.dev/ref/mod)."""
    return re.sub("[A-Z]", lambda found: f"!{found[0].lower()}", path)


def module_terms(texts: Mapping[str, str]) -> Terms:
    """What all of a module's licence files say together: each has to be kept to."""
    named = {name: licences_of(text) for name, text in sorted(texts.items())}
    if not named or not all(named.values()):
        return Terms(words=", ".join(f"see its {name}" for name in named))
    return Terms(" AND ".join(sorted(set().union(*named.values()))))


def _is_licence(name: str) -> bool:
    return TEXT_FILE.fullmatch(name) is not None and not name.endswith(NO_TEXT)


def licences_of(text: str) -> set[str]:
    """The licences whose texts are in a text; none where not one is known."""
    plain = " ".join(text.lower().split())
    found = {name for name, words in TEXTS if all(word in plain for word in words)}
    return found - {"BSD-2-Clause"} if "BSD-3-Clause" in found else found  # whose text has the other's

"""Copy what a Python program needs at run time out of a whole Debian: an image of it has no shell and no packages.

Run in a stage of the Dockerfile by the Python that is to be copied: ``python3 runtime.py FOLDER``.
"""

import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
from pathlib import Path

_UNUSED = (
    *("__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data"),
    *("config-*", "site-packages", "dist-packages", "_test*.so", "_xx*.so", "xx*.so", "_tkinter*.so", "*.a"),
)
"""Parts of the standard library that serve its own tests, windows, or the installation of packages."""

_WHEELS_NEED = (
    *("libgcc_s.so.1", "libstdc++.so.6"),
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1"),
)
"""Libraries that wheels may expect on every Linux (PEP 600) and that Python itself may not use."""

_ACCOUNTS = {
    "passwd": "root:x:0:0::/root:/none\ndgdr:x:1000:1000::/tmp:/none\n",
    "group": "root:x:0:\ndgdr:x:1000:\n",
    "nsswitch.conf": "hosts: files dns\n",
}


class Root:
    """The folder that becomes the image's root.

    Attributes:
        folder: Where it is.
        files: What has been copied, as it is called in the image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: set[Path] = set()

    def copy(self, path: Path) -> None:
        """Copy a file or a folder, with every symbolic link on the way to it."""
        here = Path("/")
        for number, part in enumerate(path.parts[1:], start=2):
            here /= part
            there = self.folder / here.relative_to("/")
            if here.is_symlink():
                target = here.readlink()
                if not there.is_symlink():
                    there.symlink_to(target)
                self.copy(Path(os.path.normpath(here.parent / target), *path.parts[number:]))
                return
            if here.is_dir():
                there.mkdir(exist_ok=True)
            elif here not in self.files:
                shutil.copy2(here, there)
                self.files.add(here)
        if here.is_dir():
            ignored = shutil.ignore_patterns(*_UNUSED)(str(here), os.listdir(here))  # noqa: PTH208 - names are wanted
            for name in sorted(set(os.listdir(here)) - ignored):  # noqa: PTH208 - the same
                if (here / name).exists():  # a link into what the base leaves out leads nowhere
                    self.copy(here / name)


def libraries(programs: list[Path]) -> set[Path]:
    """Return the shared libraries, loader included, that programs and libraries are linked with."""
    found = set()
    for program in programs:
        for line in _output("ldd", str(program)).splitlines():
            words = line.split()
            name = words[2] if "=>" in words and len(words) > 2 else words[0]  # noqa: PLR2004 - NAME => PATH (ADDRESS)
            if name.startswith("/"):
                found.add(Path(name))
    return found


def common_libraries() -> set[Path]:
    """Return where the libraries are that wheels expect."""
    lines = [line.split() for line in _output("ldconfig", "-p").splitlines()]
    return {Path(words[-1]) for words in lines if words and words[0] in _WHEELS_NEED}


def tell_packages(root: Root) -> None:
    """Keep record and licence of each package that a file comes from, where scanners of images look for them."""
    owners = set()
    for path in root.files:
        # The database may know a file by the name it had before /lib was a link to /usr/lib.
        for name in (path, Path("/", *path.parts[2:])):
            answer = _output("dpkg-query", "--search", str(name), check=False)
            owners |= {owner.strip() for owner in answer.partition(": ")[0].split(",") if answer}
    status = root.folder / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for owner in sorted(owners):
        package = owner.partition(":")[0]
        (status / package).write_text(_output("dpkg-query", "--status", owner))
        if (licence := Path("/usr/share/doc", package, "copyright")).exists():
            root.copy(licence)


def _output(*command: str, check: bool = True) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=check).stdout  # noqa: S603 - our own words


def main(folder: Path) -> None:
    """Fill the folder."""
    root = Root(folder)
    for name in ("dev", "etc", "opt", "proc", "root", "run", "sys", "tmp", "var/lib"):
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    python, library = Path(sys.executable), Path(sysconfig.get_path("stdlib"))
    root.copy(python)
    root.copy(library)
    for path in libraries([python.resolve(), *library.glob("lib-dynload/*.so")]) | common_libraries():
        root.copy(path)
    root.copy(Path("/etc/ld.so.cache"))
    root.copy(Path("/etc/os-release"))
    tell_packages(root)
    # One file with all authorities, under the name at which Python's OpenSSL looks by itself.
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    root.copy(authorities)
    expected = folder / ssl.get_default_verify_paths().openssl_cafile.lstrip("/")
    expected.parent.mkdir(parents=True, exist_ok=True)
    expected.symlink_to(authorities)
    for name, text in _ACCOUNTS.items():
        (folder / "etc" / name).write_text(text)
    stripped = ("-s", str(folder))
    subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", *stripped, str(folder)],
        check=True,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

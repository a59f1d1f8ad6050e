"""A PostgreSQL with TLS and a password, on loopback. It is Debian's: the embedded one is built without TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from devkit.ports import reserve_port
from devkit.postgres import USER, Postgres
from devkit.processes.lifetime import bind_to_parent

#: The newest server of Debian's package `postgresql`, where it is installed.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
#: By TCP only with TLS and a password; the socket is for the test itself.
ACCESS = "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n"


class SecuredPostgres(Postgres):
    """Listens on 127.0.0.1, which is in its certificate, and on 127.0.0.2, which is not."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        """`certificate` is a folder with tls.crt and tls.key."""
        settings = {"listen_addresses": "127.0.0.1,127.0.0.2", "ssl": "on"}
        settings |= {"ssl_cert_file": "tls.crt", "ssl_key_file": "tls.key"}
        super().__init__(folder, durable=False, port=reserve_port(), settings=settings)
        self._certificate = certificate

    @property
    def argv(self) -> list[str]:
        assert PROGRAMS is not None
        return [str(PROGRAMS / "postgres"), *super().argv[1:]]

    def _run_initdb(self) -> None:
        assert PROGRAMS is not None
        self._make_private_folder(self.folder)
        subprocess.run(
            [PROGRAMS / "initdb", "-D", self.folder, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "-N"],
            check=True, stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=bind_to_parent(identity=self._identity),
        )  # fmt: skip
        (self.folder / "pg_hba.conf").write_text(ACCESS)
        for name in ("tls.crt", "tls.key"):
            file = self.folder / name
            shutil.copy(self._certificate / name, file)
            file.chmod(0o600)
            os.chown(file, self.folder.stat().st_uid, self.folder.stat().st_gid)

"""A real IMAP server on loopback, Dovecot, with a throw-away configuration and mailbox."""

import getpass
import imaplib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mail.server import free_port

PASSWORD = "correct-horse"
START_SECONDS = 20
# Dovecot gives no mailbox to root.
_IS_ROOT = os.geteuid() == 0
NOBODY = 65534
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
{certificate}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:{home}/mail
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = {uid}
first_valid_gid = {gid}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
"""


@dataclass
class ImapServer:
    """Where it listens, and where its mails lie."""

    port: int
    tls_port: int
    home: Path

    def url(self, password: str = PASSWORD) -> str:
        """The mailbox as the desk's settings name it."""
        return f"imap://desk:{password}@127.0.0.1:{self.port}/INBOX"

    @property
    def tls_url(self) -> str:
        """The same by TLS, with a certificate nobody trusts."""
        return f"imaps://desk:{PASSWORD}@localhost:{self.tls_port}/INBOX"

    @contextmanager
    def opened(self) -> Iterator[imaplib.IMAP4]:
        """The mailbox, open for writing, as a pro's provider would."""
        server = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        try:
            server.login("desk", PASSWORD)
            server.select("INBOX")
            yield server
        finally:
            server.logout()

    def deliver(self, *mails: bytes) -> None:
        """Puts mails into the inbox, in order."""
        with self.opened() as server:
            for mail in mails:
                lines = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                kind, words = server.append("INBOX", "", "", lines)
                assert kind == "OK", words

    def flags(self) -> set[bytes]:
        """Each mail's flags, as the server says them."""
        with self.opened() as server:
            _, data = server.fetch("1:*", "(FLAGS)")
        return {line.split(b"FLAGS")[1] for line in data if isinstance(line, bytes)}

    def forget_uids(self) -> None:
        """The server counts anew: another UIDVALIDITY, as after a restore."""
        time.sleep(1.1)  # Dovecot takes the second as the number
        for path in (self.home / "mail").glob("dovecot*"):
            path.unlink()


@contextmanager
def imap_server() -> Iterator[ImapServer]:
    """A server with an empty inbox; any user may come in with PASSWORD."""
    program = shutil.which("dovecot", path=_PLACES)
    assert program, "The tests of the mailbox need Dovecot; `make dovecot` says how to get it."
    home = Path(tempfile.mkdtemp(prefix="refund-desk-imap-"))
    server = ImapServer(free_port(), free_port(), home)
    (home / "dovecot.conf").write_text(_config(server))
    for folder in ("run", "state", "mail"):
        (home / folder).mkdir()
    if _IS_ROOT:
        home.chmod(0o755)
        shutil.chown(home / "mail", NOBODY, NOBODY)
    process = subprocess.Popen([program, "-F", "-c", str(home / "dovecot.conf")])
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def _config(server: ImapServer) -> str:
    me = getpass.getuser()
    uid, gid = (NOBODY, NOBODY) if _IS_ROOT else (os.geteuid(), os.getegid())
    key, certificate = server.home / "key.pem", server.home / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return _CONFIG.format(
        home=server.home,
        ssl="yes",
        certificate=f"ssl_cert = <{certificate}\nssl_key = <{key}",
        uid=uid,
        gid=gid,
        user="dovecot" if _IS_ROOT else me,
        group="dovecot" if _IS_ROOT else me,
        login="dovenull" if _IS_ROOT else me,
        password=PASSWORD,
        port=server.port,
        tls_port=server.tls_port,
    )


def _wait_for(server: ImapServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, (server.home / "dovecot.log").read_text()
        try:
            imaplib.IMAP4("127.0.0.1", server.port, timeout=5).shutdown()
        except OSError:
            assert time.monotonic() < deadline, (server.home / "dovecot.log").read_text()
            time.sleep(0.05)
        else:
            return

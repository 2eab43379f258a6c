"""What a bare root must be told so that it reaches the package indexes as this machine does, and nothing more."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"  # where Debian keeps the certificates that it trusts
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
PROXY_VARIABLES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
OTHER_VARIABLES = (
    ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST", "UV_HTTP_TIMEOUT"]
    + ["UV_NATIVE_TLS", "UV_SYSTEM_CERTS"]
    + [f"NPM_CONFIG_{name}" for name in ("REGISTRY", "PROXY", "HTTPS_PROXY", "NOPROXY", "STRICT_SSL")]
)


def output_of(*command: str) -> str:
    """What a command prints; nothing if it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def pip_settings(listing: str) -> dict[str, str]:
    """`pip config list` as variables; without an index that is a folder of this machine, which a root does not have."""
    found = {}
    for line in listing.splitlines():
        section, _, rest = line.partition(".")
        name, _, value = rest.lstrip(".").partition("=")
        if section in ("global", "install", ":env:") and name in PIP_SETTINGS:
            words = str(ast.literal_eval(value) if value[:1] in "'\"" else value).split()
            if name.endswith("index-url"):
                words = [word for word in words if re.match("https?:", word)]
            if words:
                found["PIP_" + name.upper().replace("-", "_")] = " ".join(words)
    return found


def passed_variables(environment: Mapping[str, str], pip_listing: str) -> dict[str, str]:
    """Variables of this machine that a command in a root gets, beside those that every login has."""
    proxies = {name for lower in PROXY_VARIABLES for name in (lower, lower.upper())}
    names = proxies | {name for upper in OTHER_VARIABLES for name in (upper, upper.lower())}
    passed = {name: value for name, value in environment.items() if name in names and "file:" not in value}
    if any(name in environment for name in CERTIFICATE_VARIABLES):
        passed |= dict.fromkeys(CERTIFICATE_VARIABLES, BUNDLE)
    return pip_settings(pip_listing) | passed


def variables() -> dict[str, str]:
    return passed_variables(os.environ, output_of(sys.executable, "-m", "pip", "config", "list"))


def certificates() -> bytes:
    """The certificates that this machine trusts; empty where Debian's own are to be used."""
    for name in (os.environ.get(variable) for variable in CERTIFICATE_VARIABLES):
        if name and Path(name).is_file():
            return Path(name).read_bytes()
    return Path(BUNDLE).read_bytes() if Path(BUNDLE).is_file() else b""


def mirror() -> list[str]:
    """The archive of Debian's packages that this machine uses, as debootstrap's last argument; none: its own choice."""
    targets = output_of(
        "apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages", "Component: main"
    )
    found = re.search(r"^Debian (https?://\S+)", targets, flags=re.MULTILINE)
    return [found.group(1)] if found else []


def archive_proxy() -> dict[str, str]:
    """The proxy that apt is told to use, for debootstrap."""
    found = re.search(r"='([^']+)'", output_of("apt-config", "shell", "proxy", "Acquire::http::Proxy"))
    return {"http_proxy": found.group(1)} if found else {}

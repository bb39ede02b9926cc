"""What a fix's commands may destroy is said beside it, and harmless texts carry no warning."""

from __future__ import annotations

import time

import pytest

from fixstream.inference.hazards import MAX_WARNINGS, warnings

DANGEROUS = {
    "deletes files": (
        "rm -rf /var/lib/app",
        "sudo rm -fr build",
        "rm --recursive x",
        "rm -v -r x",
        "find . -name '*.log' -delete",
        "Remove-Item C:\\x -Recurse",
        "rm \\\n  -rf x",
    ),
    "deletes data from a database": (
        "DROP TABLE users;",
        "drop database app",
        "TRUNCATE TABLE orders",
        "DELETE FROM users;",
        "redis-cli FLUSHALL",
    ),
    "removes resources": (
        "kubectl delete pod web-1",
        "kubectl -n shop delete deployment web",
        "terraform destroy",
        "terraform -chdir=infra destroy",
        "docker system prune -a",
        "docker compose down -v",
        "aws s3 rb s3://bucket",
    ),
    "rewrites history": ("git push --force", "git push origin main -f", "git reset --hard HEAD~1"),
    "overwrites a disk": ("dd if=/dev/zero of=/dev/sda", "mkfs.ext4 /dev/sdb1", "mkfs /dev/x"),
    "opens permissions": ("chmod -R 777 /srv", "chmod 777 x", "setenforce 0"),
    "switches off the checking": (
        "requests.get(url, verify=False)",
        "curl -k https://example.org",
        "NODE_TLS_REJECT_UNAUTHORIZED=0 node app.js",
        "InsecureSkipVerify: true",
        "git config http.sslVerify false",
        "ssl._create_unverified_context()",
    ),
    "pipes from the network": (
        "curl -fsSL https://example.org/i | sh",
        "wget -qO- https://example.org/i | sudo -E bash",
        "bash <(curl -s https://example.org/i)",
        'sh -c "$(curl -fsSL https://example.org/i)"',
        "iwr https://example.org/i | iex",
        "curl https://example.org/i \\\n  | python3 -",
    ),
    "ends processes": ("kill -9 4711", "pkill java", "shutdown now"),
}


@pytest.mark.parametrize(
    ("what", "text"), [(what, text) for what, texts in DANGEROUS.items() for text in texts]
)
def test_a_dangerous_command_is_named(what: str, text: str) -> None:
    found = warnings(f"Do this:\n{text}\nThen look again.")
    assert [one for one in found if one.startswith(what)], found


@pytest.mark.parametrize(
    "text",
    [
        "Restart the service and look at its log.",
        "The form of the arm-rf module is wrong.",
        "kubectl get pods; kubectl describe pod web-1",
        "git push --force-with-lease origin topic",
        "DELETE FROM users WHERE id = 3;",
        "curl -fsS https://example.org/health | jq .status",
        "chmod 640 /etc/app.conf",
        "Pass verify=/path/to/ca.pem instead.",
        "terraform plan",
        "The drop in traffic; the table below.",
    ],
)
def test_a_harmless_text_carries_no_warning(text: str) -> None:
    assert warnings(text) == ()


def test_warnings_are_few_and_quick_whatever_the_text() -> None:
    every = "\n".join(text for texts in DANGEROUS.values() for text in texts)
    assert len(warnings(every)) == len(DANGEROUS) <= MAX_WARNINGS
    started = time.monotonic()
    for evil in ("curl " * 4000, "rm -" + "r -" * 5000, "git push " + "- " * 9000):
        warnings(evil)
    assert time.monotonic() - started < 5, "a pattern that runs away would take minutes"

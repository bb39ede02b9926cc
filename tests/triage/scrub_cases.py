"""Texts with and without secrets, as data.

The forms are those that the vendors document; every value is invented here from a seeded stream and put
together at run time, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
from typing import NamedTuple

_STREAM = random.Random(20261122)
_ALNUM = string.ascii_letters + string.digits
_LOWER = string.ascii_lowercase + string.digits
_UPPER = string.ascii_uppercase + string.digits
_HEX = "0123456789abcdef"
_B64 = _ALNUM + "+/"
_URL64 = _ALNUM + "-_"


def _some(size: int, alphabet: str = _ALNUM) -> str:
    """Returns `size` characters with at least one digit and one letter."""
    middle = "".join(_STREAM.choice(alphabet) for _ in range(size - 2))
    return f"{_STREAM.choice([c for c in alphabet if c.isalpha()])}{middle}{_STREAM.choice('23456789')}"


def _glue(*parts: str) -> str:
    return "".join(parts)


class Secret(NamedTuple):
    """A text and the parts of it that must be gone after scrubbing."""

    name: str
    text: str
    gone: tuple[str, ...]
    kept: tuple[str, ...] = ()


def _vendor_values() -> dict[str, str]:
    hex32, hex40, hex64 = _some(32, _HEX), _some(40, _HEX), _some(64, _HEX)
    uuid = "-".join(_some(n, _HEX) for n in (8, 4, 4, 4, 12))
    jwt = ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"4711","name":"x"}', b"\x93" * 32)
    )
    return {
        "aws id": _glue("AK", "IA", _some(16, _UPPER)),
        "aws session id": _glue("AS", "IA", _some(16, _UPPER)),
        "azure ad secret": _glue(_some(3), "8", "Q~", _some(34, _ALNUM + "_.~-")),
        "gcp key": _glue("AI", "za", _some(35, _URL64)),
        "gcp oauth": _glue("ya", "29.", _some(60, _URL64)),
        "gcp client secret": _glue("GOC", "SPX-", _some(28, _URL64)),
        "github classic": _glue("gh", "p_", _some(36)),
        "github server": _glue("gh", "s_", _some(36)),
        "github fine": _glue("github", "_pat_", _some(22), "_", _some(59)),
        "gitlab": _glue("gl", "pat-", _some(20, _URL64)),
        "gitlab runner": _glue("gl", "rt-", _some(20, _URL64)),
        "bitbucket": _glue("AT", "BB", _some(32)),
        "atlassian": _glue("AT", "ATT3xFfGF0", _some(60)),
        "slack bot": _glue("xo", "xb-", "123456789012-123456789012-", _some(24)),
        "slack app": _glue("xa", "pp-1-A0", _some(9, _UPPER), "-123456789012-", hex64),
        "slack webhook": _glue(
            "hooks.slack",
            ".com/services/T0",
            _some(8, _UPPER),
            "/B0",
            _some(8, _UPPER),
            "/",
            _some(24),
        ),
        "discord webhook": _glue(
            "discord", ".com/api/webhooks/123456789012345678/", _some(68, _URL64)
        ),
        "telegram": _glue("1234567890", ":AA", _some(33, _URL64)),
        "stripe live": _glue("sk", "_live_", _some(24)),
        "stripe restricted": _glue("rk", "_live_", _some(40)),
        "stripe hook": _glue("wh", "sec_", _some(32)),
        "square": _glue("sq0", "atp-", _some(22, _URL64)),
        "shopify": _glue("shp", "at_", hex32),
        "twilio": _glue("S", "K", hex32),
        "sendgrid": _glue("S", "G.", _some(22, _URL64), ".", _some(43, _URL64)),
        "mailgun": _glue("key", "-", hex32),
        "mailchimp": _glue(hex32, "-us", "14"),
        "npm": _glue("np", "m_", _some(36)),
        "pypi": _glue("py", "pi-AgEIcHlwaS5vcmc", _some(70, _URL64)),
        "rubygems": _glue("ruby", "gems_", _some(48, _HEX)),
        "docker": _glue("dck", "r_pat_", _some(27, _URL64)),
        "huggingface": _glue(
            "h", "f_", "".join(_STREAM.choice(string.ascii_letters) for _ in range(34))
        ),
        "openai": _glue("sk", "-proj-", _some(48, _URL64)),
        "openai old": _glue("sk", "-", _some(20), "T3Blbk", "FJ", _some(20)),
        "anthropic": _glue("sk", "-ant-", "api03-", _some(90, _URL64)),
        "groq": _glue("gs", "k_", _some(52)),
        "digitalocean": _glue("do", "p_v1_", hex64),
        "databricks": _glue("da", "pi", hex32),
        "vault": _glue("hv", "s.", _some(24)),
        "terraform": _glue(_some(14), ".atlas", "v1.", _some(67)),
        "doppler": _glue("dp", ".pt.", _some(43)),
        "grafana": _glue("gl", "sa_", _some(32), "_", _some(8, _HEX)),
        "newrelic": _glue("NR", "AK-", _some(27, _UPPER)),
        "dynatrace": _glue(
            "dt0",
            "c01.",
            _some(24, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
            ".",
            _some(64, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        ),
        "sentry": _glue("snt", "ryu_", hex64),
        "linear": _glue("lin", "_api_", _some(40)),
        "notion": _glue("nt", "n_", _some(46)),
        "airtable": _glue("pa", "t", _some(14), ".", hex64),
        "figma": _glue("fig", "d_", _some(40, _URL64)),
        "postman": _glue("PM", "AK-", _some(24, _HEX), "-", _some(34, _HEX)),
        "hubspot": _glue("pa", "t-na1-", uuid),
        "planetscale": _glue("pscale", "_tkn_", _some(43)),
        "sonar": _glue("sq", "p_", hex40),
        "age": _glue("AGE-SECRET", "-KEY-1", _some(58, _UPPER)),
        "jwt": jwt,
        "alibaba": _glue("LT", "AI", _some(20)),
        "facebook": _glue("EA", "AC", _some(120)),
        "artifactory": _glue("AK", "Cp", _some(69)),
    }


def vendor_cases() -> list[Secret]:
    """Returns each vendor's form in sentences, JSON, URLs and calls."""
    wraps = (
        "request failed, key was {} (retry 3)",
        '{{"level":"error","detail":"denied for {}"}}',
        "GET https://api.example.com/v1/items?id=5&k={}&page=2 returned 403",
        "client = Client('{}', region='eu-west-1')",
    )
    return [
        Secret(f"{name}-{number}", wrap.format(value), (value,))
        for name, value in _vendor_values().items()
        for number, wrap in enumerate(wraps)
    ]


_PASSWORDS = ("hunter22", "Tr0ub4dor&3", "swordfish", "p@ssw0rd!", "123456", "correcthorse")

_SYNTAXES: dict[str, str] = {
    "env": "DB_USER=app\nDB_PASSWORD={}\nDB_PORT=5432",
    "export": "export MYSQL_ROOT_PASSWORD='{}'\nmake run",
    "ini": "[client]\nuser = root\npassword = {}\nport = 3306",
    "yaml": "database:\n  username: app\n  password: {}\n  pool: 5",
    "yaml quoted": '  adminPassword: "{}"\n',
    "toml": '[db]\npassword = "{}"\n',
    "json": '{{"user": "root", "password": "{}", "port": 22}}',
    "json tight": '{{"user":"root","userPassword":"{}"}}',
    "json escaped": 'body="{{\\"login\\":\\"root\\",\\"password\\":\\"{}\\"}}"',
    "python": 'conn = connect(host="db1", user="app", password="{}")',
    "python dict": "{{'PASSWORD': '{}', 'HOST': 'db'}}",
    "java properties": "spring.datasource.username=app\nspring.datasource.password={}\n",
    "java": 'props.setProperty("javax.net.ssl.keyStorePassword", "{}");',
    "jdbc": "jdbc:sqlserver://db1:1433;databaseName=shop;user=sa;password={};encrypt=true",
    "c#": 'var password = @"{}";',
    "ado": "Server=db1;Database=shop;User Id=sa;Password={};TrustServerCertificate=True",
    "php": "$config['db_password'] = '{}';",
    "php define": "define( 'DB_PASSWORD', '{}' );",
    "php arrow": "'password' => '{}',",
    "ruby": ':password => "{}", :host => "db"',
    "ruby new": 'password: "{}",',
    "js": "const dbPassword = '{}';",
    "ts": "private readonly password: string = '{}';",
    "go": 'cfg := Config{{User: "app", Password: "{}"}}',
    "go short": 'password := "{}"',
    "rust": 'let password = "{}";',
    "sql identified": "CREATE USER 'app'@'%' IDENTIFIED BY '{}'",
    "sql password": "ALTER ROLE app WITH LOGIN PASSWORD '{}'",
    "shell option": "mysqladmin --user=root --password={} status",
    "shell option space": "psql-login --password {} --host db1",
    "sshpass": "sshpass -p '{}' ssh root@host1",
    "curl": "curl -u admin:{} https://host.example.com/status",
    "netrc": "machine ftp.example.com login bob password {}",
    "redis": "requirepass {}",
    "xml": "<user>root</user><password>{}</password>",
    "xml attribute": '<connection host="db" user="u" password="{}" />',
    "xml key": '<add key="SmtpPassword" value="{}" />',
    "xml entry": '<entry key="password">{}</entry>',
    "maven": "<server><id>x</id><passphrase>{}</passphrase></server>",
    "html": '<input type="hidden" name="password" value="{}">',
    "form": "user=bob&password={}&remember=1",
    "form encoded": "payload=user%3Dbob%26password%3D{}%26remember%3D1",
    "query": "GET /login?user=bob&passwd={}&x=1 HTTP/1.1",
    "log pairs": "level=error user=bob password={} msg=denied",
    "log comma": "login failed: user=bob, password={}, ip unknown",
    "kubernetes env": '{{"name": "DB_PASSWORD", "value": "{}"}}',
    "kubernetes yaml": "- name: DB_PASSWORD\n  value: {}\n",
    "url": "postgresql://app:{}@db1.example.com:5432/shop",
    "amqp": "amqp://guest:{}@mq:5672/%2f",
    "redis url": "redis://:{}@cache-1:6379/0",
    "go dsn": "app:{}@tcp(db1:3306)/shop?parseTime=true",
    "prose quoted": "could not log in with password '{}' today",
    "pgpass": "db1.example.com:5432:shop:app:{}",
    "dockerfile": "ENV POSTGRES_PASSWORD={}",
    "properties colon": "jasypt.encryptor.password: {}",
    "windows": "set DB_PASSWORD={}",
    "powershell": '$env:DB_PASSWORD = "{}"',
    "hcl": 'password = "{}"',
    "lua": 'local password = "{}"',
    "perl": "$password = '{}';",
    "scala": 'val dbPassword: String = "{}"',
    "kotlin": 'val password: String = "{}"',
    "swift": 'let password = "{}"',
    "camel query": "?clientId=5&clientSecret={}",
    "filezilla": "<Host>h</Host><Pass>{}</Pass>",
    "login call": "conn.login('bob@corp', '{}', callback)",
    "basic auth call": 'HTTPBasicAuth("bob", "{}")',
}


def syntax_cases() -> list[Secret]:
    """Returns passwords in every syntax; those that a syntax would have to quote are left out."""
    cases = []
    for name, form in _SYNTAXES.items():
        bare = not any(mark in form for mark in ("'{}'", '"{}', '\\"{}'))
        for number, value in enumerate(_PASSWORDS):
            if bare and set(value) & set("&@!"):
                continue
            cases.append(Secret(f"{name}-{number}", form.format(value), (value,)))
    return cases


def keyed_cases() -> list[Secret]:
    """Returns secrets without a form of their own behind a telling name."""
    rows = {
        "aws secret": ("aws_secret_access_key = {}", _some(40, _B64)),
        "aws camel": ('"secretAccessKey": "{}"', _some(40, _B64)),
        "aws session": ("AWS_SESSION_TOKEN={}", _some(200, _B64)),
        "azure account": (
            "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={};EndpointSuffix=core.windows.net",
            _some(86, _B64) + "==",
        ),
        "azure bus": (
            "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={}",
            _some(43, _B64) + "=",
        ),
        "azure sas": ("https://shop.blob.core.windows.net/c/b?sv=2022-11-02&se=2026-01-01&sig={}", _some(43) + "%3D"),
        "api key header": ("X-Api-Key: {}", _some(32)),
        "api key json": ('{{"api_key": "{}"}}', _some(32, _HEX)),
        "heroku": ("HEROKU_API_KEY={}", "-".join(_some(n, _HEX) for n in (8, 4, 4, 4, 12))),
        "datadog": ("DD-API-KEY: {}", _some(32, _HEX)),
        "django": ("SECRET_KEY = '{}'", _some(40) + "!)*^"),
        "rails": ("secret_key_base: {}", _some(128, _HEX)),
        "laravel": ("APP_KEY=base64:{}=", _some(43, _B64)),
        "oauth": ('"access_token":"{}"', _some(40, _URL64)),
        "refresh": ("refresh_token={}&grant_type=refresh_token", _some(40, _URL64)),
        "client secret": ("client_secret={}", _some(32)),
        "npmrc": ("//npm.example.com/:_authToken={}", "-".join(_some(n, _HEX) for n in (8, 4, 4, 4, 12))),
        "npmrc auth": ("_auth = {}", base64.b64encode(b"admin:s3cretpw").decode()),
        "docker auth": ('"auth": "{}"', base64.b64encode(b"bob:s3cretpw99").decode()),
        "pypirc": ("[pypi]\nusername = bob\npassword = {}", _some(16)),
        "s3cfg": ("secret_key = {}", _some(40)),
        "bearer": ("Authorization: Bearer {}", _some(40, _URL64)),
        "bearer json": ('"Authorization": "Bearer {}"', _some(40, _URL64)),
        "basic": ("Authorization: Basic {}", base64.b64encode(b"bob:s3cretpw99").decode()),
        "token header": ("Authorization: Token {}", _some(40, _HEX)),
        "digest": ('Authorization: Digest username="bob", realm="x", nonce="abc", response="{}"', _some(32, _HEX)),
        "sigv4": ("Authorization: AWS4-HMAC-SHA256 Credential=X/20260101/us-east-1/s3/aws4_request, Signature={}", _some(64, _HEX)),
        "session cookie": ("Cookie: theme=dark; sessionid={}; lang=en", _some(32, _LOWER)),
        "set cookie": ("Set-Cookie: connect.sid=s%3A{}; Path=/; HttpOnly", _some(40)),
        "java cookie": ("JSESSIONID={}", _some(32, _UPPER)),
        "wordpress": ("define('LOGGED_IN_KEY', '{}');", "x7!(kQ:B]zZjN-AdT<>h7V1.vm+k^|}2wVZf]X"),
        "webhook secret": ("github.webhook.secret={}", _some(20)),
        "hmac": ("hmac_key: {}", _some(32, _HEX)),
        "encryption": ('encryptionKey="{}"', _some(44, _B64)),
        "prose token": ("the token {} was rejected by the server", _some(32)),
        "prose api key": ("invalid api key: {}", _some(32)),
        "prose secret": ("using secret '{}' for tenant 5", _some(24)),
        "url token": ("fatal: unable to access 'https://{}@github.example.com/a/b.git/'", _some(40, _HEX)),
        "otp": ('{{"otp": "{}"}}', "493021"),
        "cvv": ("cvv={}", "739"),
        "license": ("LICENSE_KEY={}", _some(30, _UPPER)),
        "mongo": ("mongodb+srv://app:{}@cluster0.abcde.mongodb.net/shop", _some(16)),
        "odd url": ("https://bob@example.com:{}@github.example.com", "pass!#@498"),
        "slash url": ("postgres://app:{}@db1.example.com/shop", "ab/cd#12?x"),
    }  # fmt: skip
    return [Secret(name, form.format(value), (value,)) for name, (form, value) in rows.items()]


def _pem(kind: str) -> tuple[str, list[str]]:
    lines = [_some(64, _B64) for _ in range(12)] + [_some(40, _B64) + "=="]
    dashes = "-" * 5
    begin, end = (
        f"{dashes}BEGIN {kind}PRIVATE KEY{dashes}",
        f"{dashes}END {kind}PRIVATE KEY{dashes}",
    )
    return "\n".join([begin, *lines, end]), lines


def key_cases() -> list[Secret]:
    """Returns private keys whole, escaped, indented, and cut off on either side."""
    cases = []
    for kind in ("RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA ", ""):
        pem, lines = _pem(kind)
        cases += [
            Secret(
                f"{kind}whole",
                f"cannot load key\n{pem}\nat main.py:3",
                tuple(lines),
                ("main.py:3",),
            ),
            Secret(f"{kind}json", json.dumps({"private_key": pem, "id": 5}), tuple(lines)),
            Secret(f"{kind}double escaped", json.dumps(json.dumps({"k": pem})), tuple(lines)),
            Secret(f"{kind}cut", pem[:500], tuple(lines[:7])),
            Secret(f"{kind}tail", pem[-300:], tuple(lines[-4:])),
            Secret(f"{kind}indented", pem.replace("\n", "\n    "), tuple(lines)),
            Secret(f"{kind}crlf", pem.replace("\n", "\r\n"), tuple(lines)),
        ]
    return cases


def hash_cases() -> list[Secret]:
    """Returns password hashes as files and databases hold them."""
    b64 = "./" + _ALNUM
    rows = {
        "bcrypt": _glue("$2", "b$12$", _some(53, b64)),
        "sha512": _glue("$6", "$", _some(16, b64), "$", _some(86, b64)),
        "sha256": _glue("$5", "$rounds=5000$", _some(16, b64), "$", _some(43, b64)),
        "md5": _glue("$1", "$", _some(8, b64), "$", _some(22, b64)),
        "apache": _glue("$apr1", "$", _some(8, b64), "$", _some(22, b64)),
        "argon2": _glue("$argon2id", "$v=19$m=65536,t=3,p=4$", _some(22, b64), "$", _some(43, b64)),
        "django": _glue("pbkdf2", "_sha256$600000$", _some(22), "$", _some(43, _B64), "="),
        "werkzeug": _glue("pbkdf2", ":sha256:600000$", _some(16), "$", _some(64, _HEX)),
        "ldap": _glue("{SS", "HA}", _some(32, _B64)),
        "mysql": _glue("*", _some(40, "0123456789ABCDEF")),
        "phpass": _glue("$P", "$B", _some(30, b64)),
    }
    return [
        Secret(f"{name}-{number}", wrap.format(value), (value,))
        for name, value in rows.items()
        for number, wrap in enumerate(
            ("bob:{}:19000:0:99999:7:::", "(7, 'bob', '{}', 1),", "user bob has {}")
        )
    ]


def personal_cases() -> list[Secret]:
    """Returns what identifies people. Card and account numbers are the issuers' test numbers."""
    rows = {
        "email": ("no such user alice.smith+tag@mail.example.com in realm", "alice.smith+tag@mail.example.com"),
        "email encoded": ("GET /u?mail=bob%40example.org&x=1", "bob%40example.org"),
        "email brackets": ("Bob <bob_jones@example.co.uk> wrote", "bob_jones@example.co.uk"),
        "ip": ("connect to 203.0.113.77:8443 failed", "203.0.113.77"),
        "ip private": ("Auth failed for 10.25.35.45:37849", "10.25.35.45"),
        "ip slash": ("Connection refused: db1/192.168.7.9:5432", "192.168.7.9"),
        "ip client": ("client: 198.51.100.23, server: _", "198.51.100.23"),
        "ip brackets": ("postfix: unknown[198.51.100.99]: SASL failed", "198.51.100.99"),
        "ip6": ("listen on [2001:db8:85a3::8a2e:370:7334]:443", "2001:db8:85a3::8a2e:370:7334"),
        "ip6 local": ("via fe80::1ff:fe23:4567:890a%eth0", "fe80::1ff:fe23:4567:890a"),
        "ip small": ("dial tcp 5.9.12.7:443: i/o timeout", "5.9.12.7"),
        "ip bare": ("remote host 52.95.110.1 closed the connection", "52.95.110.1"),
        "card visa": ("charge 4111 1111 1111 1111 declined", "4111 1111 1111 1111"),
        "card master": ("pan=5555555555554444 refused", "5555555555554444"),
        "card amex": ("card 3782-822463-10005 expired", "3782-822463-10005"),
        "iban": ("transfer to DE89 3704 0044 0532 0130 00 failed", "DE89 3704 0044 0532 0130 00"),
        "iban tight": ("iban=GB82WEST12345698765432", "GB82WEST12345698765432"),
        "ssn": ("ssn 536-90-4399 invalid", "536-90-4399"),
        "phone": ("sms to +44 7911 123456 not sent", "+44 7911 123456"),
        "phone e164": ("number +14155552671 blocked", "+14155552671"),
        "phone us": ("call (415) 555-2671 back", "(415) 555-2671"),
        "phone dashes": ("phone: 415-555-2671", "415-555-2671"),
        "phone word": ('"mobile": "07911 123456"', "07911 123456"),
    }  # fmt: skip
    return [Secret(name, text, (value,)) for name, (text, value) in rows.items()]


def encoded_cases() -> list[Secret]:
    """Returns secrets inside base64, as in Kubernetes manifests and event payloads."""
    values = _vendor_values()
    wrapped = base64.b64encode(
        f"url=https://x.example.com token={values['github classic']}".encode()
    ).decode()
    config = base64.b64encode(
        json.dumps({"password": "hunter22secret", "user": "x" * 20}).encode()
    ).decode()
    return [
        Secret("token in base64", f"data: {wrapped}", (wrapped,)),
        Secret("json in base64", f'{{"payload": "{config}"}}', (config,)),
    ]


KEPT: tuple[str, ...] = (
    # Frames, classes, files, lines
    'File "/srv/app/auth/password_reset.py", line 42, in reset_password',
    "at com.example.security.TokenAuthenticationFilter.doFilter(TokenAuthenticationFilter.java:118)",
    "at com.example.PasswordEncoder$$FastClassBySpringCGLIB$$ab12cd34.invoke(<generated>)",
    "org.apache.spark.rdd.RDD$$anonfun$mapPartitions$1$$anonfun$apply$23.apply(RDD.scala:766)",
    "main.(*Server).authToken(0xc000123456, 0x12) /srv/app/token.go:77 +0x1a5",
    "    #3 0x55d0c0ffee in crypto::KeyStore::load(char const*) /src/keystore.cc:331:7",
    "  from /usr/lib/ruby/gems/3.2.0/gems/jwt-2.7.1/lib/jwt/decode.rb:105:in `verify_signature'",
    "KeyError: 'password'",
    "NoSuchMethodError: 'void com.example.Secret.rotate(java.lang.String)'",
    "SyntaxError: Unexpected token } in JSON at position 5",
    "Unexpected token: identifier_with_a_long_name_2 at line 7",
    "javax.crypto.BadPaddingException: Given final block not properly padded",
    "AttributeError: 'NoneType' object has no attribute 'access_token'",
    # What messages say about secrets
    "password authentication failed for user \"app\"",
    "Invalid password: must be at least 12 characters",
    "password: This field is required.",
    '{"password": ["This field may not be blank."]}',
    "The security token included in the request is invalid",
    "Token expired at 2026-11-22T10:00:00Z",
    "api_key is required",
    "secret not found: using default",
    "Access token validation failure. Invalid audience.",
    "git hash: 9fceb02d0ae598e95dc970b74767f19372d61af8",
    '{"code": "ERR_CONN_42", "ticket": "PROJ-12345"}',
    "gpg: key FC8D04357BB49FF0: public key imported",
    "cache key 9fceb02d0ae598e95dc970b74767f19372d61af8 evicted",
    "PWD=/srv/app/current OLDPWD=/root",
    'secret "prod-db-credentials-v2" not found in namespace shop',
    "ALTER USER bob PASSWORD EXPIRE",
    "validateSecrets -> checkSecrets",
    "INSERT INTO orders (id, name) VALUES (1, 'bob')",
    "DRDAID = NF000001.G7C1-4327676640608975420",
    "Extended Request ID: abc/defGHI123+456/7890abcdefGHI123+456/7890abcdefGHI1234=",
    '{"type": "password", "name": "field", "label": "Enter it"}',
    "columns: ['id', 'password', 'created_at']",
    "password=${DB_PASSWORD}",
    "password: {{ vault_db_password }}",
    "password = os.environ['DB_PASSWORD']",
    "password=settings.DATABASE_PASSWORD",
    "token = request.headers.get('Authorization')",
    "const token = await getToken(user)",
    "def login(user: str, password: str) -> Token:",
    'password="****"',
    "password=None",
    "pass: true",
    "PASS: test_login_works",
    "compass=north bypass=yes",
    "keyboard=us monkey=1",
    "primary key (id), foreign key (user_id) references users(id)",
    "Duplicate entry '42' for key 'users.PRIMARY'",
    "cache key user:42:profile missing",
    "partition key=orders-eu offset=12",
    "author=alice authority=example.com",
    "tokenizer=bert-base-uncased max_tokens=4096",
    "secretName: db-credentials",
    "private_key_path=/etc/ssl/private/server.key",
    "password_file: /run/secrets/db_password",
    "passwordPolicy: strict",
    "token_type: Bearer",
    "grant_type=client_credentials",
    "Cookie: theme=dark; lang=en",
    # Ids
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "HEAD is now at 9fceb02 Fix the token refresh",
    "image sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1",
    "request_id=0d2f1c9e-7b1a-4f6e-9a53-2d8c1f0e6b7a",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
    "order 20261122-000451 failed after 1732269812345 ms",
    "arn:aws:iam::123456789012:role/deploy",
    "projects/shop-prod/topics/orders",
    "pod checkout-7d9f8b6c5d-x2x7k OOMKilled",
    "i-0abcd1234efgh5678 is not in state running",
    "ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
    "build 1.2.3-rc.1+20261122.9fceb02",
    # Codes, versions, hosts, numbers
    "ORA-12154: TNS:could not resolve the connect identifier",
    "SQLSTATE[HY000] [2002] Connection refused",
    "HTTP 503 from https://api.example.com/v2/orders?limit=50&page=2",
    "connect ECONNREFUSED 127.0.0.1:5432",
    "listening on 0.0.0.0:8080",
    "errno 111, code=E11000, exit status 137",
    "Chrome/126.0.6478.127 Safari/537.36",
    "Assembly version 4.0.0.0, runtime v4.0.30319",
    "upgraded from 2.17.1.1 to 2.17.2.0",
    "SeaMonkey 2.53.18.2 crashes",
    "postgresql-42.7.3.jar, log4j-1.2.17.1.jar",
    "db-3.cluster-abc.eu-west-1.rds.amazonaws.com:5432",
    "kafka-0.kafka-headless.prod.svc.cluster.local:9092",
    "std::vector<int>::at(unsigned long) const",
    "Foo::Bar::baz at 12:30:45",
    "00:1A:2B:3C:4D:5E went down",
    "git@github.com:example/shop.git",
    "logo@2x.png not found",
    "com.example.Order@1b28cdfa",
    "lodash@4.17.21 requires a peer of react@18",
    "2026-11-22 10:15:30,123 +0000 [main] ERROR",
    "0x00007ffd5e8a1b2c in ?? ()",
    "memory 4294967296 of 17179869184 bytes",
    "4111 rows, 1111 errors, 1234567812345678 ns",
    "ISBN 978-3-16-148410-0",
    "line 415, column 26, 71 characters",
    "SHA256withRSA", "AES/CBC/PKCS5Padding", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUE\n-----END CERTIFICATE-----",
    "s3://bucket/path/to/object-2026.parquet",
    "https://example.com:8443/a@b/c",
    "mailto link is broken, see RFC 5322",
    "user@ is not a valid address",
    "Basic authentication is not supported",
    "bearer of bad news",
    "authorization: denied",
    "Access denied for user 'app'@'db-host' (using password: YES)",
    "the original error was identified by RawStore module",
    "unique index identified by 'UC1' defined on 'T'",
    "chrome.exe --user-data-dir=c:\\tmp\\profile_0 --headless",
    "https://github.com/acme/shop/pull/5/files#diff-687a4ed1252bfb4f56b3aeeb28bee4413b7df9becR59",
    "FATAL:  no pg_hba.conf entry for host, user \"app\", database \"shop\", SSL off",
)  # fmt: skip
"""Texts that an engineer needs as they are."""


def tool_cases() -> list[Secret]:
    """Returns passwords in options of tools, device configurations and rows of tables."""
    forms = {
        "httpie": "http --auth bob:{} GET https://x.example.com",
        "mongo": "mongo -u admin -p {} --authenticationDatabase admin",
        "redis": "redis-cli -h cache-1 -a {} ping",
        "samba": "smbclient -U bob%{} //srv/share",
        "ssh-keygen": 'ssh-keygen -N "{}" -f key',
        "keytool": "keytool -list -storepass {} -keystore k.jks",
        "ldap": "ldapsearch -D cn=admin -w {} -b dc=x",
        "docker": "docker login -u bob -p {} hub.example.com",
        "snmp": "snmp-server community {} RO",
        "cisco": "username admin password 7 {}",
        "insert": "INSERT INTO users (name, password, mail) VALUES ('bob', '{}', 'x')",
        "insert second row": "insert into `u` (`id`,`api_key`) values (1,''),(2,'{}')",
        "dotnet setting": '<setting name="Password" serializeAs="String"><value>{}</value></setting>',
        "cdata": "<Password><![CDATA[{}]]></Password>",
        "parameters": '{{"ParameterKey": "DbPassword", "ParameterValue": "{}"}}',
        "html escaped": "&quot;password&quot;:&quot;{}&quot;",
        "soap": '<wsse:Password Type="text">{}</wsse:Password>',
        "password for": "Password for user bob: {}",
        "openssl": "openssl pkcs12 -passin pass:{} -in x.p12",
        "otp url": "otpauth://totp/x?secret={}&issuer=y",
        "jaas": 'PlainLoginModule required username="bob" password="{}";',
    }
    return [Secret(name, form.format("hunter22x"), ("hunter22x",)) for name, form in forms.items()]

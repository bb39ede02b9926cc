# ruff: noqa: E501  Data: a line each.
"""What has to stay, as data: forms with fields as in `secret_values`, and plain texts."""

from __future__ import annotations

KEPT_FORMS: dict[str, tuple[str, ...]] = {
    "commits": (
        "commit {H40}", "HEAD is now at {H7}", "Merge {H12} into {H12}", "git checkout {H40} failed", "sha={H40}", "revision: {H40}",
        "build {H8} of main", "GIT_COMMIT={H40}", '"commit_id":"{H40}"', "fatal: bad object {H40}", "tree {H40}\nparent {H40}",
    ),
    "digests": (
        "image shop@sha256:{H64} not found", "sha256:{H64}", "md5={H32} mismatch", "expected checksum {H64}, got {H64}", "etag \"{H32}\"",
        "integrity sha512-{B86}==", "SHA1 {H40} differs", "layer {H64} already exists", "content hash {H64}", "sha256={H64}",
    ),
    "ids": (
        "request_id={G}", "X-Request-Id: {G}", "trace_id={H32} span_id={H16}", "correlation id {G}", "traceparent: 00-{H32}-{H16}-01",
        "order {G} not found", "job {H24} failed", "ObjectId('{H24}')", "message id {G}", "user_id={D8}", "tenant {G}", "uuid: {G}",
        "RequestId: {U16}", "x-amz-request-id: {U16}", "x-amzn-trace-id: Root=1-{H8}-{H24}", "i-{H17} is stopped", "vol-{H17}", "subnet-{H17}",
        "arn:aws:lambda:eu-west-1:{D12}:function:shop", "arn:aws:iam::{D12}:role/deploy", "projects/shop/topics/orders-{D4}", "session {D6} ended",
        "container {H12} exited with 137", "transaction {D10} rolled back", "ticket ABC-{D5}", "event {D16}", "client_id={D6}", "thread id {D15}",
        "AWS_ACCESS_KEY_ID is not set", "customerId={D9}", "batch_id={L10}", "X-B3-TraceId: {H32}", "cf-ray: {H16}-FRA",
    ),
    "kubernetes": (
        "pod checkout-{H10}-x2k7q OOMKilled", "replicaset.apps/shop-{H10}", "node ip-node-{D3} NotReady", "secretKeyRef: {{name: db, key: password}}",
        'secret "shop-tls" not found', "serviceaccount shop:default cannot get secrets", "configmap/shop-env-{H5} unchanged", "pvc-{G}",
        "secretName: db-credentials", "imagePullSecrets: regcred", "name: db-password\n  key: password",
    ),
    "memory": (
        "0x{H16} in ?? ()", "segfault at {H16} ip {H16}", "object at 0x{H12}>", "java.lang.Object@{H8}", "goroutine {D4} [running]:",
        "pc=0x{H6} sp=0xc{H9}", "+0x{H3}", "#3 0x{H12} in main /src/main.cc:{D3}", "rax: {H16} rbx: {H16}", "Compressed Oops mode: 32-bit",
        "used 8{D9} of 17179869184 bytes", "heap 512M, stack 1024k", "address {H16} not mapped",
    ),
    "frames": (
        "at com.example.shop.OrderService.place(OrderService.java:{D3})", '  File "/srv/app/orders.py", line {D3}, in place_order',
        "    at Object.<anonymous> (/srv/app/dist/main.{H8}.js:1:{D5})", "at webpack:///./src/token.ts?{H4}:{D3}:7", "app.{H20}.chunk.js:1:{D5}",
        "at Shop.Orders.OrderService.<PlaceAsync>d__{D2}.MoveNext() in C:\\src\\OrderService.cs:line {D3}", "vendor~main.{H8}.css",
        "from /usr/lib/ruby/gems/3.2.0/gems/rack-2.2.{D1}/lib/rack/auth/basic.rb:{D2}:in `call'", "com.sun.proxy.$Proxy{D3}.invoke(Unknown Source)",
        "panic: runtime error\nmain.authenticate(0xc000{H6}, 0x{H2})", "thread 'main' panicked at src/token.rs:{D3}:5",
        "org.apache.kafka.common.security.authenticator.SaslClientAuthenticator.createSaslToken(SaslClientAuthenticator.java:{D3})",
        "PasswordEncoder$$EnhancerBySpringCGLIB$${H8}.encode(<generated>)", "sun.reflect.GeneratedMethodAccessor{D3}.invoke(Unknown Source)",
        "lib/active_record/connection_adapters/postgresql_adapter.rb:{D3}", "_ZN4shop5token7refreshEv+0x{H2}", "node:internal/process/task_queues:{D2}:5",
        "hashed/{H2}/{H2}/{H40}.pack", "/nix/store/{L32}-python3-3.12/bin/python", "~/.cache/pip/wheels/{H2}/{H2}/{H56}",
    ),
    "codes": (
        "ORA-{D5}: invalid username/password; logon denied", "HRESULT 0x8{H7}", "HTTP {D3} from upstream", "SQLSTATE[08006] [7]", "errno {D2}", "E{D5}",
        "SSL_ERROR_SYSCALL, errno {D3}", "exit status {D3}", "status code {D3}", "error code: {D4}", "NSURLErrorDomain Code=-1009", "CVE-2026-{D5}",
        "RFC {D4}", "CS{D4}: cannot convert", "TS{D4}: Property 'token' does not exist", "ERR_TLS_CERT_ALTNAME_INVALID", "psycopg2 28P01", "Win32 error {D4}",
        "KB{D7}", "SIGSEGV (11)", "AADSTS{D5}: Invalid client secret provided", "ECONNRESET -104", "0x8007{H4}",
    ),
    "versions": (
        "version 1.2.3.4", "v2.{D2}.{D1}", "python 3.12.{D1}", "Chrome/126.0.6478.{D3}", "upgraded from 2.17.1.1 to 2.17.2.0", "nginx/1.25.{D1}",
        "jdk-17.0.{D1}+7", "assembly 4.0.0.0", "OID 1.3.6.1.4.1", "1.3.6.1.4.1.311.21.7", "2.5.29.15 extension", "lodash@4.17.{D2}", "node v20.11.{D1}",
        "spring-boot-3.2.{D1}.RELEASE.jar", "kernel 6.8.0-{D2}-generic", "driver 31.0.15.{D4}", "go1.22.{D1}", "shop:2026.11.{D2}-{H7}", "Firefox/128.0",
        "SNMPv2-SMI::enterprises.{D4}.1.2.3.4", "product version: 10.0.19045.{D4}",
    ),
    "hosts": (
        "db-{D1}.cluster-x.eu-west-1.rds.amazonaws.com:5432", "kafka-{D1}.kafka.prod.svc.cluster.local:9092", "api.example.com", "localhost:{D4}",
        "https://api.example.com/v1/orders/{D6}?limit=50", "redis://cache-1:6379/0", "mongodb://db-1:27017/shop", "postgres://db-1/shop", "host-{D3}.dc2",
        "00:1A:2B:3C:4D:5E", "127.0.0.1:{D4}", "0.0.0.0:{D4}", "[::1]:{D4}", "jdbc:postgresql://db-1:5432/shop", "git@github.com:acme/shop.git",
        "s3://bucket/key-{D6}.parquet", "amqp://mq-1:5672/vhost", "ssh://git@host-1:22/x.git", "ftp.example.com", "kafka://broker-{D1}:9092",
    ),
    "times": (
        "2026-11-22T10:15:30.123Z", "22/Nov/2026:10:15:30 +0000", "1732{D6}", "1732{D9}", "17322698123{D8} ns", "took {D4} ms", "20261122101530", "2026-11-22 10:15:30,123",
        "Sun Nov 22 10:15:30 UTC 2026", "uptime 12 days, 03:22:11", "expires 2026-11-22", "PT15M", "0 */5 * * *", "20261122-101530-{D4}", "UTC+05:30",
    ),
    "numbers": (
        "{D9} rows", "offset {D10}", "partition 3 offset {D8}", "number {D12} out of range", "ISBN 978-3-16-148410-0", "4111 1111 1111 1112 is wrong",
        "id {D16} too long", "line 415, column 26", "1,234,567,890", "3.14159265358979", "port 5432", "-2147483648", "9223372036854775807", "lat 52.520008, lon 13.404954",
        "{D3}-{D4} items", "range 100-200-3000", "{D2}.{D6} s", "8.8e-12", "seq {D13}", "pid {D5} ppid {D4}", "5.{D8}e+06", "inode {D8}", "size={D10} crc={H8}",
    ),
    "names": (
        "TokenAuthenticationFilter", "PasswordResetTokenGenerator", "javax.crypto.BadPaddingException", "org.springframework.security.authentication.BadCredentialsException",
        "AWSSecretsManagerClient", "com.amazonaws.services.secretsmanager.model.ResourceNotFoundException", "JWTDecodeError", "SecretKeySpec", "KeyError: 'token'",
        "AbstractSingletonProxyFactoryBean", "NSInvalidArgumentException", "std::__1::basic_string", "SHA256withRSA", "AES/GCM/NoPadding", "TLS_AES_128_GCM_SHA256",
        "ecdsa-sha2-nistp256", "[main-SendThread(zk-1:2181)]", "pool-{D1}-thread-{D2}", "http-nio-8080-exec-{D2}", "System.Security.Cryptography.CryptographicException",
        "Base64DecodingException", "UTF8StringEncodingError2", "kube-system/coredns-{H10}", "X509CertificateVerifier2", "Http2StreamManagerImpl", "OAuth2AuthenticationProcessingFilter",
        "io.netty.handler.codec.http2.Http2Exception$StreamException", "AmazonS3Exception", "Neo4jSession2Factory", "android.os.Handler.dispatchMessage", "V8_Isolate_4_LocalHandle",
        "getUserByIdAndTenantIdOrderByCreatedAtDesc", "ThreadPoolTaskExecutor-{D1}", "IPv6AddressParser", "class Md5HashUtil2", "sk-learn", "eyJson", "ghost_writer", "AKIRA", "hf_transformers_cache",
    ),
    "words": (
        "password is required", "Password must be at least 12 characters long", "token expired", "token has expired at 2026-11-22T10:15:30Z", "invalid token", "Token is not valid yet (iat)",
        "secret not found", "api key missing", "missing api_key parameter", "password authentication failed for user \"app\"", "Access denied for user 'app'@'db' (using password: YES)",
        "Invalid API key", "the access token could not be decrypted", "no credentials provided", "Unable to locate credentials", "wrong password", "incorrect username or password",
        "password mismatch", "Token validation failed: signature", "bearer token required", "Basic auth failed", "secret rotation failed", "key not found: user:42", "private key does not match certificate",
        "Please enter your password:", "Password:", "password: ", "Enter passphrase for key '/home/app/.ssh/id_rsa':", "could not decode token payload", "unexpected token < in JSON at position 0",
        "Unexpected token 'export'", "token=None", "token: null", "password=None", "password = null", "secret: undefined", 'password=""', "password: ''", "passwd: true", "password: [REDACTED]", "password=******",
        "password=<redacted>", "password: xxxxxxxx", "token=<token>", "api_key=YOUR_API_KEY", "api_key: <your-api-key>", "password=changeme?".replace("changeme?", "${PASSWORD}"), "password=$DB_PASSWORD", "password: ${{ secrets.DB_PASSWORD }}",
        "password={{ db_password }}", "password: !vault", "password=%(password)s", "password = os.environ['PW']", "password = getenv(\"PW\")", "token = await fetchToken()", "token := r.Header.Get(\"Authorization\")",
        "password: str", "password: Optional[str] = None", "def check(password, token):", "function login(user, password) {{", "String password;", "private String password;", "if token is None:", "if (token == null)",
        "token_type=Bearer", "grant_type=password", "auth=none", "auth: basic", "authMethod=token", "password_file=/run/secrets/db", "secret_name=prod/db", "key_name=deploy", "keyId={D4}", "max_tokens=4096", "tokens used: 512",
        "prompt_tokens=12 completion_tokens=90", "token count 8191", "primary key (id)", "duplicate key value violates unique constraint \"users_pkey\"", "Duplicate entry '42' for key 'PRIMARY'", "cache key user:{D4}:profile",
        "partition key=orders-eu", "sort_key=created_at", "key=value", "foreign key orders_user_id_fkey", "keyword argument 'secret'", "no attribute 'password'", "column \"password\" does not exist", "field token of type string",
        "passwordless sudo", "compass=north", "author=alice", "monkey=1", "tokenizer=bert-base-uncased", "secretary=bob", "authority=example.com", "keyboard=us", "passenger=3", "bypass=yes", "hotkey=ctrl+s", "turnkey solution",
        "auth_failed_count=3", "session timeout=30", "session closed", "cookie consent", "csrf token missing or incorrect", "CSRF verification failed", "pin the version", "PIN code entry failed", "code=E11000", "code: ERR_CONN",
        "user cancelled", "credentials=include", "withCredentials: true", "password reset mail sent", "PWD=/srv/app", "pass=3 fail=0", "12 passed, 2 failed", "PASS src/token.test.ts", "signature mismatch", "webhook delivery failed",
        "hash=true", "salt length 16", "seed=42", "random_state=42", "nonce too low: next nonce 5, tx nonce 3", "login=app", "Login failed for user 'app'.", "password changed by admin", "SignatureDoesNotMatch", "ExpiredToken", "token bucket empty",
    ),
    "markup": (
        '<input type="password" name="pw" placeholder="Password">', "<label for=\"password\">Password</label>", "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\n-----END PUBLIC KEY-----", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{A43} app", "data:image/png;base64,iVBORw0KGgo{B120}", "logo@2x.png", "react@18", "@app.route('/login')",
        "@Value(\"${db.password}\")", "u+1F600", "c++17", "a@b", "%40", "x += 1", "1 + 1", "+++ b/src/token.py", "@@ -12,7 +12,7 @@", "::1", "a::b::c", "-p 8080:80", "--user app", "curl -u", "docker run -p 80:80", "mkdir -p /srv/app", "cp -p a b", "ps -u app",
    ),
}  # fmt: skip
"""Each text has to come out as it went in."""

# ruff: noqa: E501, RUF001  Data: a line each, in many languages.
"""Lines as services write them, as data: with a secret between `«` and `»`, and with none.

Fields as in `secret_values`; `\\n` begins a new line. Where `secret_forms` fills forms into a few texts
around them, here each form has the place where it is met: logs, traces, dumps of environments and of
HTTP, configuration, commands. Written from the documented formats before anybody looked at what is found.
"""

from __future__ import annotations

PLANTED_LINES = r"""
2026-11-30 10:11:12,001 DEBUG botocore.auth - aws_session_token=«IQoJb3JpZ2luX2VjE{B320}»
export AWS_SECRET_ACCESS_KEY=«{B40}»
[default]\naws_access_key_id = AKIA{T16}\naws_secret_access_key = «{B40}»
"SecretAccessKey": "«{B40}»", "SessionToken": "FwoGZXIvYXdzE{B200}"
AWS_ACCESS_KEY_ID=«AKIA{T16}» is invalid
DefaultEndpointsProtocol=https;AccountName=shopstore;AccountKey=«{B86}==»;EndpointSuffix=core.windows.net
GET https://shopstore.blob.core.windows.net/c/f.txt?sv=2024-08-04&ss=b&srt=sco&sp=r&se=2026-12-01T00:00:00Z&sig=«{A41}%2B{A2}%3D»
Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=«{B43}=»
HostName=shop.azure-devices.net;DeviceId=d1;SharedAccessKey=«{B43}=»
"client_secret": "«{A3}8Q~{A34}»", "tenant_id": "{G}"
AZURE_CLIENT_SECRET='«{A3}7Q~{A33}_»'
AccountEndpoint=https://shop.documents.azure.com:443/;AccountKey=«{B86}==»;
{"type": "service_account", "project_id": "shop", "private_key_id": "{H40}", "private_key": "-----BEGIN PRIVATE KEY-----\\n«{B64}\\n{B64}\\n{B20}=»\\n-----END PRIVATE KEY-----\\n", "client_email": "x@shop.iam.gserviceaccount.com"}
https://maps.googleapis.com/maps/api/geocode/json?address=x&key=«AIza{W35}»
remote: Invalid credentials for https://oauth2:«glpat-{A20}»@gitlab.example.com/acme/shop.git
fatal: unable to access 'https://«ghp_{A36}»@github.com/acme/shop.git/': 403
git clone https://x-access-token:«ghs_{A36}»@github.com/acme/shop
CI_JOB_TOKEN=«glcbt-64_{A20}»
SLACK_WEBHOOK=https://«hooks.slack.com/services/T{U8}/B{U10}/{A24}»
stripe.error.AuthenticationError: Invalid API Key provided: «sk_live_{A24}»
Twilio(account_sid="AC{H32}", auth_token="«{H32}»")
TWILIO_AUTH_TOKEN=«{H32}»
//registry.example.org/:_authToken=«npm_{A36}»
//registry.example.org/:_auth=«{BASIC}»
[pypi]\nusername = __token__\npassword = «pypi-AgEIcHlwaS5vcmc{W120}»
{"auths": {"https://index.docker.io/v1/": {"auth": "«{BASIC}»"}}}
X-Vault-Token: «hvs.{W90}»
VAULT_TOKEN=s.«{A24}»
databricks.token = «dapi{H32}»
openai.AuthenticationError: Error code: 401 - Incorrect API key provided: «sk-{A48}»
discord.errors.LoginFailure: token «MTE{A23}.G{A5}.{W38}» improper
https://api.telegram.org/bot«{D10}:AA{W33}»/sendMessage?chat_id=1
X-Shopify-Access-Token: «shpat_{H32}»
curl -s --user 'api:«key-{H32}»' https://api.mailgun.net/v3/x
HEROKU_API_KEY=«{G}»
DD_API_KEY=«{H32}»
dd-api-key: «{H32}»
DATADOG_APP_KEY="«{H40}»"
NEW_RELIC_LICENSE_KEY=«{H36}NRAL»
X-Auth-Key: «{H37}»
CLOUDFLARE_API_TOKEN: «{W40}»
Authorization: Bearer «{JWT}»
authorization: Basic «{BASIC}»
> Proxy-Authorization: Basic «{BASIC}»
machine api.heroku.com login ann@example.org password «{G}»
machine ftp.example.com\n  login app\n  password «{P12}»
db-1.example.com:5432:shop:app:«{A12}»
admin:«$apr1${A8}${A22}»
deploy:«$2y$10${A53}»
define('DB_PASSWORD', '«{P14}»');
define( 'AUTH_KEY',         '«{P64}» ' );
production:\n  adapter: postgresql\n  username: app\n  password: «{A10}»\n  host: db-1
  secret_key_base: «{H128}»
spring.datasource.password=«{P11}»
spring.mail.password: «{A9}»
<property name="password" value="«{A12}»"/>
<add key="ApiKey" value="«{A32}»" />
<connectionStrings><add name="Db" connectionString="Server=db;Database=x;User Id=app;Password=«{A11}»;" /></connectionStrings>
<bean id="ds"><property name="url" value="x"/><property name="password"><value>«{A10}»</value></property></bean>
<password>«{A12}»</password>
<UserName>app</UserName><Password encrypted="false">«{A12}»</Password>
[database]\nuser = "app"\npassword = "«{P12}»"
[mysql]\nuser=root\npassword=«{P10}»
{"body": "{\"user\":\"ann\",\"password\":\"«{A12}»\"}"}
{"log": "{\\\"token\\\":\\\"«{A32}»\\\"}"}
variable "db_password" {\n  type    = string\n  default = "«{A14}»"\n}
master_password      = "«{A14}»"
docker run -e POSTGRES_PASSWORD=«{A10}» -p 5432:5432 postgres
docker run --env MYSQL_ROOT_PASSWORD=«{P10}» mysql:8
kubectl create secret generic db --from-literal=password=«{A12}»
mysqldump -u root -p«{A10}» shop > x.sql
mysql --user=root --password=«{A10}» shop
psql "host=db-1 user=app password=«{A10}» dbname=shop"
PGPASSWORD=«{A10}» psql -h db-1 -U app
./run.sh --password «{P10}» --host db-1
app --token «{A24}» --verbose
sshpass -p '«{A9}»' ssh app@host-1
curl -u admin:«{A10}» https://x.example.com
curl -H "Authorization: token «ghp_{A36}»" https://api.github.com
curl -H 'X-Api-Key: «{A32}»' https://x.example.com
curl -d 'grant_type=password&username=ann&password=«{A10}»' https://x.example.com/token
Server=tcp:db,1433;Initial Catalog=shop;User ID=app;Password=«{P12}»;Encrypt=True
Data Source=db;User Id=app;Pwd=«{A9}»;
jdbc:mysql://db-1:3306/shop?user=app&password=«{A10}»&useSSL=false
jdbc:postgresql://app:«{A10}»@db-1/shop
jdbc:sqlserver://db-1:1433;databaseName=shop;user=sa;password=«{P12}»;
Driver={ODBC Driver 18 for SQL Server};Server=db;UID=sa;PWD=«{P12}»
amqp://app:«{A10}»@mq-1:5672/%2F
amqps://app:«{A10}»@mq-1/vhost: connection refused
mongodb+srv://app:«{A10}»@cluster0.ab1cd.mongodb.net/shop?retryWrites=true
redis://:«{A16}»@cache-1:6379/0
rediss://default:«{A32}»@cache-1:6380
smtp://app%40example.org:«{A10}»@mail-1:587
ldap://cn=admin,dc=x:«{A10}»@ldap-1
sqlalchemy.exc.OperationalError: could not connect to postgresql+psycopg2://app:«{A10}»@db-1:5432/shop
-----BEGIN RSA PRIVATE KEY-----\n«{B64}\n{B64}\n{B40}»\n-----END RSA PRIVATE KEY-----
-----BEGIN OPENSSH PRIVATE KEY-----\n«b3BlbnNzaC1rZXktdjEA{B50}\n{B70}»\n-----END OPENSSH PRIVATE KEY-----
-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n«lQdGBF{B58}\n{B64}»\n-----END PGP PRIVATE KEY BLOCK-----
PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 1\nAAAAB3Nz{B40}\nPrivate-Lines: 2\n«{B64}\n{B44}»\nPrivate-MAC: {H64}
Cookie: sessionid=«{L32}»; csrftoken={A32}
Set-Cookie: JSESSIONID=«{X32}»; Path=/; HttpOnly
set-cookie: connect.sid=s%3A«{A32}.{A43}»; Path=/
Cookie: _ga=GA1.2.{D9}.{D10}; auth=«{A40}»
contact: «ann.smith@example.org» said hi
"email":"«ann+test@mail.example.co.uk»"
from=<«bounce-{D4}@mailer.example.com»>, size=123
client «203.0.113.{D2}» - - [30/Nov/2026:10:11:12 +0000] "GET / HTTP/1.1" 200
X-Forwarded-For: «198.51.100.{D2}», 10.0.0.1
connection from «2001:db8:85a3::8a2e:370:{D4}» port 22
remote_addr=«192.168.17.{D2}»
charge failed for card «4242 4242 4242 4242»
card_number=«4111111111111111»
"pan":"«5555555555554444»","exp":"12/27"
IBAN «DE89 3704 0044 0532 0130 00» rejected
iban=«GB29NWBK60161331926819»
ssn «078-05-1120» on file
"ssn": "«219099999»"
call «+1 415 555 2671» now
phone: «(415) 555-2671»
tel:«+44 20 7946 0958»
Telefon: «030 901820»
mobile=«0171 2345678»
numéro de téléphone : «01 23 45 67 89»
user[password]=«{A10}»&user[name]=x
Parameters: {"utf8"=>"x", "user"=>{"email"=>"x", "password"=>"«{A10}»"}}
params = {'client_secret': '«{A24}»', 'x': 1}
    conn = psycopg2.connect(host='db-1', user='app', password='«{A10}»')
    client = Client("app", api_key="«{A32}»")
    r = requests.get(url, auth=('app', '«{A10}»'))
  File "x.py", line 3, in f\n    login(user="ann", pwd="«{A10}»")
String password = "«{A10}»";
private static final String API_SECRET = "«{A24}»";
const apiKey = '«{A32}»';
process.env.JWT_SECRET = "«{A20}»"
$config['db']['password'] = '«{A10}»';
'password' => '«{A10}»',
password: '«{P10}»'
:password => "«{A10}»"
let token: String = "«{A24}»".into();
Password := "«{A10}»"
ConvertTo-SecureString "«{P12}»" -AsPlainText -Force
setx DB_PASSWORD «{A10}»
net user ann «{P12}» /add
ALTER USER app WITH PASSWORD '«{A10}»';
CREATE USER 'app'@'%' IDENTIFIED BY '«{A10}»';
INSERT INTO users (name, password_hash) VALUES ('ann', '«$2b$12${A53}»')
GRANT ALL ON *.* TO 'app' IDENTIFIED BY "«{A10}»"
Your verification code is «{D6}»
OTP: «{D6}»
password is «{A10}»
The password for user app is «{A10}»
Wrong password "«{A10}»" for user ann
Invalid token «{A32}»
token '«{A40}» not accepted
bad api key: «{A32}»
secret=«{A24}»;
sessionToken=«{A40}»
x-amz-security-token: «IQoJb3JpZ2lu{B300}»
X-Amz-Signature=«{H64}»
oauth_token=«{A24}»&oauth_verifier={A24}
refresh_token=«1//0{W60}»&client_id=x
"access_token":"«ya29.a0{W120}»"
"id_token": "«{JWT}»"
code=«4/0A{W50}»
?access_token=«{A40}»
&api_key=«{H32}»
#access_token=«{A40}»&token_type=bearer
https://hooks.example.com/x?token=«{A24}»
wss://x.example.com/socket?auth=«{A32}»
KeyStorePassword=«{A9}»
-Djavax.net.ssl.trustStorePassword=«{A9}»
javax.net.ssl.keyStorePassword «{A9}»
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="app" password="«{A10}»";
SENDGRID_API_KEY=«SG.{W22}.{W43}»
PRIVATE-TOKEN: «glpat-{A20}»
JOB-TOKEN: «{A20}»
X-Auth-Token: «{H32}»
ApiKey «{A40}»
Authorization: ApiKey «{A40}==»
Authorization: AWS4-HMAC-SHA256 Credential=AKIA{T16}/20261130/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=«{H64}»
Authorization: Digest username="ann", realm="x", nonce="{H32}", uri="/", response="«{H32}»"
Authorization: Token token="«{A32}»"
WWW-Authenticate failed for Bearer «{A40}»
{"level":"error","ts":1732960000.12,"msg":"login failed","user":"ann","password":"«{P12}»"}
level=error ts=2026-11-30T10:11:12Z msg="bad key" api_key=«{A32}» attempt=3
time="2026-11-30" level=fatal msg="dial redis://default:«{A20}»@cache-1:6379: refused"
[2026-11-30 10:11:12] production.ERROR: SQLSTATE[HY000] [1045] mysql:host=db;user=app;password=«{A12}»
Nov 30 10:11:12 host-1 sshd[123]: Failed password for root from «203.0.113.{D2}» port 22 ssh2
I, [2026-11-30T10:11:12]  INFO -- : Parameters: {"session"=>{"email"=>"x", "password"=>"«{A10}»"}}
E1130 10:11:12.123456       1 auth.go:42] token "«{JWT}»" rejected
WARN  c.a.s.TokenFilter - invalid token=«{A40}» from client
    token = "«{A40}»"
ValueError: invalid literal for int() with base 10: '«AKIA{T16}»'
raise AuthError("bad secret «{A40}»")
AssertionError: assert 'Bearer «{A40}»' == 'Bearer x'
KeyError: '«ghp_{A36}»'
E   requests.exceptions.HTTPError: 401 Client Error for url: https://api.example.com/v1/x?apikey=«{A32}»
E   url = 'https://app:«{A12}»@registry.example.org/simple'
ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /v1?access_token=«{A40}» (Caused by
>>> client.login("ann", "«{A10}»")
  const stripe = new Stripe("«sk_test_{A24}»");
        DB_PASS: «{A10}»
      - DB_PASSWORD=«{A10}»
      - "API_TOKEN=«{A32}»"
env:\n  - name: DB_PASSWORD\n    value: "«{A12}»"
env:\n  - name: API_KEY\n    value: «{A32}»
stringData:\n  password: «{A12}»
data:\n  password: «{B20}»
apiVersion: v1\nkind: Secret\ndata:\n  token: «{B64}»
declare -x DB_PASSWORD="«{A12}»"
DB_PASSWORD='«{P12}»' ./run
ENV API_TOKEN «{A32}»
ARG NPM_TOKEN=«{A36}»
setenv AWS_SECRET_ACCESS_KEY «{B40}»
$env:API_KEY = "«{A32}»"
set DB_PASSWORD=«{A10}»
process.env.API_KEY='«{A32}»'
os.environ["API_KEY"] = "«{A32}»"
System.setProperty("db.password", "«{A10}»");
config.set('auth.token', '«{A32}»')
settings.put("secret", "«{A24}»")
{:password "«{A10}»", :user "app"}
{password, "«{A10}»"}
%{password: "«{A10}»"}
"password" := "«{A10}»"
password => «{A10}»
<entry key="db.password">«{A10}»</entry>
<init-param><param-name>secretKey</param-name><param-value>«{A24}»</param-value></init-param>
<env-entry-name>API_TOKEN</env-entry-name><env-entry-value>«{A32}»</env-entry-value>
<user username="tomcat" password="«{A10}»" roles="manager"/>
<server><id>x</id><username>u</username><password>«{A12}»</password></server>
<string name="api_key">«{A32}»</string>
<key>ApiToken</key>\n<string>«{A32}»</string>
<input type="hidden" name="csrf_token" value="«{A40}»">
<Credential UserName="ann" Password='«{A10}»'/>
password="«{A10}»" xmlns="x"
&lt;password&gt;«{A10}»&lt;/password&gt;
\"password\":\"«{A12}»\"
\\\"api_key\\\":\\\"«{A32}»\\\"
{'password': '«{P12}»', 'user': 'ann'}
{'X-Api-Key': '«{A32}»', 'Accept': '*/*'}
headers={'Authorization': 'Bearer «{A40}»'}
headers: { authorization: 'Basic «{BASIC}»' }
-H "Authorization: Bearer «{A40}»"
--header 'PRIVATE-TOKEN: «{A20}»'
-H x-api-key:«{A32}»
> X-Api-Key: «{A32}»
< Set-Cookie: session=«{A40}»; Path=/; Secure
Cookie: PHPSESSID=«{L26}»
cookie: a=1; remember_token=«{A40}»; theme=dark
--data-raw '{"password":"«{A10}»"}'
--data 'client_id=x&client_secret=«{A32}»'
wget --user=ann --password=«{A10}» https://x.example.com
http -a ann:«{A10}» GET x.example.com
lftp -u ann,«{A10}» ftp.example.com
rsync --password-file=x ann@h; RSYNC_PASSWORD=«{A10}»
redis-cli -a «{A16}» ping
mongo "mongodb://ann:«{A10}»@db/x"
mongosh -u ann -p «{A10}»
mysql -h db -uapp -p«{A12}» -e 'select 1'
sqlcmd -S db -U sa -P «{A12}»
bcp x out y -U sa -P «{A12}»
az login --service-principal -u x -p «{A34}» --tenant y
aws configure set aws_secret_access_key «{B40}»
gcloud auth activate --key «{A32}»
docker login -u ann --password «{A12}» registry.example.org
helm install x --set db.password=«{A12}»
terraform apply -var="db_password=«{A12}»"
ansible-playbook x.yml -e "ansible_become_pass=«{A12}»"
ansible_ssh_pass=«{A10}»
ansible_password: «{A10}»
vault kv put secret/db password=«{A12}»
vault write auth/x role_id=y secret_id=«{G}»
consul_http_token=«{G}»
NOMAD_TOKEN=«{G}»
openssl enc -aes-256-cbc -k «{A12}» -in x
openssl rsa -passin pass:«{A10}» -in x
gpg --passphrase «{A12}» -d x
zip -P «{A12}» x.zip y
7z x -p«{A12}» y.7z
keytool -keypass «{A10}» -x
java -Dspring.datasource.password=«{A10}» -jar x.jar
java -jar x.jar --spring.datasource.password=«{A10}»
./x --api-key=«{A32}»
./x --token=«{A32}» -v
./x -token «{A32}»
./x --secret «{A24}»
./x --db-password "«{P12}»"
./x --auth ann:«{A10}»
DATABASE_URL=postgres://app:«{A12}»@db-1:5432/shop
DATABASE_URL="mysql://root:«{A12}»@127.0.0.1/x"
CELERY_BROKER_URL=amqp://u:«{A12}»@mq//
SENTRY_DSN=https://«{H32}»@o1.ingest.example.com/2
sentry dsn https://{H32}:«{H32}»@sentry.example.com/3
proxy http://ann:«{A10}»@proxy-1:3128
ftp://ann:«{A10}»@ftp.example.com/x
sftp://deploy:«{P10}»@h/x
ssh://ann:«{A10}»@h:22
mssql+pyodbc://sa:«{A12}»@db/x?driver=ODBC
snowflake://ann:«{A12}»@acct/db
clickhouse://default:«{A12}»@ch-1:9000/x
elastic: https://elastic:«{A20}»@es-1:9200
kafka: username="app" password="«{A12}»"
Failed to connect: Server=db;Uid=app;Pwd=«{A12}»;Database=x
Provider=SQLOLEDB;Data Source=db;User ID=sa;Password=«{A10}»
BlobEndpoint=https://x.blob.core.windows.net/;SharedAccessSignature=sv=2024&sig=«{A43}%3D»
AZURE_STORAGE_KEY=«{B86}==»
"primaryKey": "«{B43}=»"
Ocp-Apim-Subscription-Key: «{H32}»
x-functions-key: «{A54}==»
"azureOpenAIKey": "«{H32}»"
aws_session_token = «{B300}»
AwsSecretKey: «{B40}»
'aws_secret': '«{B40}»'
S3_SECRET=«{B40}»
MINIO_ROOT_PASSWORD=«{A16}»
GOOGLE_API_KEY=«AIza{W35}»
client_secret=«GOCSPX-{A28}»
FIREBASE_TOKEN=«1//0{W60}»
GITHUB_TOKEN: «github_pat_{A22}_{A59}»
GH_TOKEN=«gho_{A36}»
git@: https://ann:«{H40}»@github.com/x/y.git
CODECOV_TOKEN=«{G}»
SONAR_TOKEN=«sqp_{H40}»
SNYK_TOKEN=«{G}»
CIRCLE_TOKEN=«{H40}»
SLACK_BOT_TOKEN=«xoxb-{D12}-{D12}-{A24}»
DISCORD_TOKEN=«MTE{A23}.G{A5}.{W38}»
TELEGRAM_BOT_TOKEN=«{D10}:AA{W33}»
STRIPE_SECRET_KEY=«sk_live_{A24}»
PAYPAL_SECRET=«{A80}»
SQUARE_ACCESS_TOKEN=«EAAA{A60}»
MAILGUN_API_KEY=«{H32}-{H8}-{H8}»
POSTMARK_SERVER_TOKEN=«{G}»
ALGOLIA_ADMIN_KEY=«{H32}»
OPENAI_API_KEY=«sk-proj-{W74}T3BlbkFJ{W74}»
ANTHROPIC_API_KEY=«sk-ant-api03-{W93}AA»
HF_TOKEN=«hf_{a34}»
COHERE_API_KEY=«{A40}»
PAGERDUTY_TOKEN=«{A20}»
NEWRELIC_KEY=«NRAK-{U27}»
GRAFANA_TOKEN=«glsa_{A32}_{H8}»
HONEYCOMB_API_KEY=«{A22}»
LAUNCHDARKLY_SDK_KEY=«sdk-{G}»
LINEAR_API_KEY=«lin_api_{A40}»
NOTION_KEY=«secret_{A43}»
DJANGO_SECRET_KEY='django-insecure-«{A30}#%^{A17}»'
SECRET_KEY = "«{A50}»"
APP_KEY=base64:«{B43}=»
RAILS_MASTER_KEY=«{H32}»
secret_key_base: «{H128}»
JWT_SECRET=«{A16}»
HASHIDS_SALT=«{A16}»
encryption.key=«{B43}=»
jwt.secret=«{A32}»
oauth.client.secret=«{A32}»
smtp.password=«{A10}»
ldap.bind.password=«{A10}»
bindpw «{A10}»
requirepass «{A16}»
rootpw {SSHA}«{B32}»
root:«$6${A16}${A86}»:19000:0:99999:7:::
ann:«$argon2id$v=19$m=65536,t=3,p=4${B22}${B43}»
pbkdf2_sha256$600000${A22}$«{B43}=»
enable secret 5 «$1${A4}${A22}»
wpa_passphrase=«{A12}»
psk="«{A16}»"
pre-shared-key «{A20}»
PrivateKey = «{B43}=»
-----BEGIN EC PRIVATE KEY-----\n«MHcCAQEEI{B55}\n{B64}\n{B40}»\n-----END EC PRIVATE KEY-----
key: |\n  -----BEGIN PRIVATE KEY-----\n  «{B64}\n  {B64}»\n  -----END PRIVATE KEY-----
"-----BEGIN RSA PRIVATE KEY-----\\n«{B64}\\n{B64}»\\n-----END RSA PRIVATE KEY-----\\n"
mail to «"ann smith"@example.org» failed
reply-to: Ann <«ann@example.museum»>
user=«ann.smith%40example.org»&x=1
mailto:«info@shop.example.de»
invalid recipient «müller@example.org»
host «10.20.30.{D2}» unreachable
dial tcp «172.16.{D2}.{D1}»:443: i/o timeout
peer=[«2001:db8::{H4}:{H4}»]:443
src=«fe80::{H3}:{H4}:{H4}:{H4}»%eth0
card «4000-0566-5566-5556» declined
amex «378282246310005»
"cc": "«6011 1111 1111 1117»"
FR IBAN «FR14 2004 1010 0505 0001 3M02 606»
to account «NL91ABNA0417164300»
SSN: «536-90-4399»
phone «+49 30 901820»
Call «+33 1 42 68 53 00»
fax: «(030) 9018-2000»
mobile: «+91 98765 43210»
tel «+1-202-555-0143»
call «202-555-0143» today
"phoneNumber": "«+447911123456»"
"phone": "«5551234567»"
Traceback (most recent call last):\n  File "/srv/app/db.py", line 12, in connect\n    engine = create_engine("postgresql://svc:«{A14}»@db.internal/shop")\nsqlalchemy.exc.OperationalError
  File "/srv/app/mail.py", line 40, in send\n    smtp.login("no-reply", "«{A12}»")\nsmtplib.SMTPAuthenticationError: (535, b'5.7.8 Error')
    at connect (/app/db.js:3:9) { password: '«{A12}»', host: 'db' }
Caused by: com.example.AuthException: bad credentials user=svc pass=«{A11}» realm=x
Exception: Invalid header: {'Authorization': 'Token «{H40}»'}
DEBUG urllib3: send: b'POST /v1 HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer «{A48}»\\r\\n\\r\\n'
DEBUG http.client: header: X-Amz-Security-Token: «IQoJb3JpZ2lu{B200}»
> POST /login HTTP/1.1\n> Host: x\n> Content-Type: application/json\n> \n> {"username":"ann","password":"«{P10}»"}
POST /login body: username=ann&password=«{A10}»&remember=on
request body was '{"grant_type":"client_credentials","client_id":"x","client_secret":"«{A40}»"}'
response: {"access_token":"«{A60}»","expires_in":3600}
oauth2 error, code=400 body={"refresh_token":"«{A50}»"}
env: PATH=/usr/bin HOME=/root DB_PASSWORD=«{A12}» LANG=C
environ({'HOME': '/root', 'SECRET_KEY': '«{A50}»', 'LANG': 'C'})
Environment:\n      DB_PASSWORD:  «{A12}»\n      DB_HOST:      db
ps: /usr/bin/app --db-pass=«{A10}» --port 80
args=[--user app --password «{A10}»]
cmd: ["psql", "-U", "app", "--password", "«{A10}»"]
subprocess.CalledProcessError: Command '['mysql', '-uroot', '-p«{A10}»']' returned 1
CalledProcessError: Command 'curl -u svc:«{A12}» https://x' returned non-zero
sh -c "echo «{A12}» | sudo -S reboot"
echo «{A20}» | docker login -u ann --password-stdin
echo "«{A12}»" | passwd --stdin ann
root@host:~# export TOKEN=«{A32}»
$ heroku config:set SECRET=«{A32}»
flyctl secrets set API_KEY=«{A32}»
gh secret set NPM_TOKEN -b «npm_{A36}»
terraform: token = "«{A14}.atlasv1.{A67}»"
provider "aws" {\n  access_key = "«AKIA{T16}»"\n  secret_key = "{B40}"\n}
provider "datadog" {\n  api_key = "«{H32}»"\n}
resource "random" { password = "«{P16}»" }
password = "«{P16}»" # rotate
user = "app" password = "«{A12}»"
(user: app, password: «{A12}»)
[user=app, password=«{A12}»]
<user=app password=«{A12}»>
User(name='ann', password='«{A12}»')
User{name='ann', password='«{A12}»', role=x}
Credentials{accessKey='x', secretKey='«{B40}»'}
#<User id: 1, email: "x", password: "«{A12}»">
=> #<OpenStruct token="«{A32}»">
map[password:«{A12}» user:app]
{Password:«{A12}» User:app}
&{Host:db Password:«{A12}» Port:5432}
Config { password: "«{A12}»", port: 5432 }
Some("«ghp_{A36}»")
array(2) { ["password"]=> string(10) "«{A10}»" }
[password] => «{A10}»
'DB_PASSWORD' : '«{A12}»'
db.password: "«{A12}»"
"dbPassword" -> "«{A12}»"
DB PASSWORD: «{A12}»
Password : «{A12}»
PASSWORD:«{A12}»
passwd=«{A10}»
pass: «{P10}»
pwd: "«{A10}»"
passphrase: «{A16}»
Passwort: «{A12}»
mot de passe : «{A12}»
contraseña=«{A12}»
пароль: «{A12}»
密码：«{A12}»
パスワード: «{A12}»
secret: «{A24}»
my_secret = '«{A24}»'
shared_secret="«{A24}»"
webhook secret: «whsec_{A32}»
signing_secret=«{H32}»
SLACK_SIGNING_SECRET: «{H32}»
encryption_key: "«{H64}»"
aes_key = «{H64}»
private_key: «{H64}»
0x private key «{H64}»
mnemonic: "«legal winner thank year wave sausage worth useful legal winner thank yellow»"
seed phrase: «legal winner thank year wave sausage worth useful legal winner thank yellow»
api-key «{A32}» is disabled
API key: «{A32}»
Api Key '«{A32}»' invalid
apikey=«{G}»
api_token: «{G}»
X-API-KEY=«{G}»
bearer «{A40}»
"Bearer «{G}»"
auth: Bearer «{A32}»
Authorization=«{BASIC}»
Authorization: Negotiate «YII{B120}»
Authorization: Hawk id="x", ts="1", nonce="y", mac="«{B43}=»"
Authorization: SSWS «00{W40}»
Authorization: Splunk «{G}»
Authorization: GenieKey «{G}»
Authorization: OAuth oauth_consumer_key="x", oauth_token="«{A24}»", oauth_signature="x"
api.example.com/x?key=«{A39}»
https://x.example.com/reset?token=«{A40}»
https://x.example.com/invite/accept?invite_token=«{A20}»
https://x.example.com/cb?code=«{A40}»&state=x
https://x.example.com/?sig=«{W43}»&e=1
https://x.s3.amazonaws.com/k?AWSAccessKeyId=«AKIA{T16}»&Expires=1&Signature=x
https://storage.googleapis.com/x?X-Goog-Signature=«{H512}»
wss://x?jwt=«{JWT}»
https://discord.com/api/webhooks/«{D18}/{W68}»
https://outlook.office.com/webhook/«{G}@{G}/IncomingWebhook/{H32}/{G}»
https://hooks.zapier.com/hooks/catch/«{D7}/{L7}»
https://hook.eu1.make.com/«{L32}»
https://ann:«{P10}»@x.example.com/
https://«{A40}»@x.example.com/repo.git
https://user:«{A20}»@dev.azure.com/x/_git/y
git remote: https://build:«{A52}»@dev.azure.com/acme
nuget: <add key="ClearTextPassword" value="«{A20}»" />
settings.xml: <passphrase>«{A16}»</passphrase>
gradle: signing.password=«{A12}»
storePassword "«{A10}»"
storePassword '«{A10}»'
keyPassword = «{A10}»
password_hash: «$2a$10${A53}»
hash=«$5$rounds=5000${A16}${A43}»
shadow: ann:«$6${A12}${A86}»:1:0:9:7:::
ntlm: Administrator:500:«{H32}:{H32}»:::
{SSHA}«{B32}»
mysql native '*«{X40}»'
SCRAM-SHA-256$4096:{B22}==$«{B43}=»:{B43}=
session_id=«{A40}»
JSESSIONID=«{X32}»
;jsessionid=«{X32}»?x=1
PHPSESSID: «{L26}»
ASP.NET_SessionId=«{L24}»
_csrf=«{G}»
X-CSRF-Token: «{A64}==»
authenticity_token=«{A64}%3D%3D»
__RequestVerificationToken=«{W90}»
SAMLResponse=«{B200}»
state: code_verifier=«{W43}»
device_code=«{A32}»
id_token_hint=«{JWT}»
jwt: «{JWT}»
eyJ token: «{JWT}» expired
verification code: «{D6}»
Your code is «{D6}»
2FA code «{D6}» for ann
PIN: «{D4}»
cvv=«123»
"cvc":"«321»"
card «4000056655665556»
cc=«5105-1051-0510-5100»
Kreditkarte «4111 1111 1111 1111»
Konto «DE44 5001 0517 5407 3249 31»
iban: «ES9121000418450200051332»
IBAN=«CH9300762011623852957»
social security number: «123-45-6789»
ssn=«123456789»
tax id «123-45-6789»
e-mail: «jane_doe99@sub.example.io»
<«jane@example.com»> wrote
jane («jane@example.com»)
user jane@corp «jane.doe@corp.example.com» locked
to=<«x.y+z@example.co.jp»>
phone number «+1 (650) 253-0000»
Tel.: «+49 (0)89 1234567»
Tél : «+33 6 12 34 56 78»
call me at «650-253-0000»
sms to «+34612345678» failed
WhatsApp «+5511987654321»
0044 «0044 20 7946 0958»
client=«203.0.113.77»
ip «198.51.100.7» blocked
from «192.0.2.{D2}»:5{D4}
«10.1.2.3» - ann [30/Nov/2026:10:11:12 +0000] "GET /"
IPv6 «2001:0db8:0000:0000:0000:ff00:0042:8329» refused
[«2001:db8::ff00:42:8329»]:8080
INFO  [main] o.a.h.c.Configuration - fs.azure.account.key.shop.dfs.core.windows.net=«{B86}==»
WARN deprecated: spark.hadoop.fs.s3a.secret.key=«{B40}»
<property>\n  <name>javax.jdo.option.ConnectionPassword</name>\n  <value>«{A12}»</value>\n</property>
hive.metastore.password «{A12}»
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="«{P12}»";
ssl.truststore.password=«{A10}»
ssl.key.password=«{A10}»
quarkus.datasource.password=«{A10}»
%prod.quarkus.oidc.credentials.secret=«{A32}»
micronaut.security.token.jwt.signatures.secret.generator.secret: «{A40}»
ktor.security.jwt.secret = «{A32}»
play.http.secret.key="«{A64}»"
akka.persistence.jdbc.password=${?X}\nslick.db.password = "«{A12}»"
config/database.yml: production: password: <%= x %>\nstaging:\n  password: «{A10}»
devise config.secret_key = '«{H128}»'
config.pepper = '«{H128}»'
aws_access_key_id: «AKIA{T16}»
Aws.config.update(credentials: Aws::Credentials.new('AKIA{T16}', '«{B40}»'))
boto3.client('s3', aws_access_key_id='x', aws_secret_access_key='«{B40}»')
AWS.config.update({ accessKeyId: 'x', secretAccessKey: '«{B40}»' })
new BasicAWSCredentials("AKIA{T16}", "«{B40}»")
new ClientSecretCredential(tenant, client, "«{A3}8Q~{A34}»")
StorageSharedKeyCredential('acct', '«{B86}==»')
openai.api_key = "«sk-{A20}T3BlbkFJ{A20}»"
client = OpenAI(api_key="«sk-proj-{W60}T3BlbkFJ{W60}»")
slack_sdk.errors.SlackApiError: token=«xoxp-{D11}-{D11}-{D12}-{H32}»
requests.post("https://«hooks.slack.com/services/T{U8}/B{U8}/{A24}»")
new SlackClient('«xoxb-{D12}-{D12}-{A24}»')
mailgun(apiKey: '«key-{H32}»')
sgMail.setApiKey('«SG.{W22}.{W43}»')
twilio.Twilio('AC{H32}', '«{H32}»')
Stripe.api_key = '«rk_live_{A24}»'
paypal.configure({ client_secret: '«{A80}»' })
braintree access_token$production${L16}$«{H32}»
Pusher secret: '«{H20}»'
sentry: dsn: 'https://«{H32}»@sentry.io/1'
bugsnag api_key "«{H32}»"
rollbar access_token: «{H32}»
newrelic license_key: '«{H40}»'
DD-API-KEY: «{H32}»
api_key: "«{H32}»" # datadog
pagerduty integration key «{H32}»
opsgenie apiKey=«{G}»
Okta-Token: SSWS «00{W40}»
auth0 client_secret=«{W64}»
keycloak secret «{G}»
credentials.secret=«{G}»
vault token «hvs.{A24}» revoked
vault: unseal key 1: «{B43}=»
Initial Root Token: «hvs.{A24}»
CONSUL_HTTP_TOKEN: «{G}»
etcd --user root:«{A12}»
kubectl --token=«{A64}» get pods
kubectl config set-credentials x --token=«{JWT}»
client-key-data: «{B120}»
kubeconfig token: «{JWT}»
docker-compose: MYSQL_PASSWORD: "«{A10}»"
- POSTGRES_PASSWORD=«{P10}»
RABBITMQ_DEFAULT_PASS=«{A10}»
REDIS_PASSWORD='«{P12}»'
ELASTIC_PASSWORD=«{A12}»
GF_SECURITY_ADMIN_PASSWORD=«{A12}»
KEYCLOAK_ADMIN_PASSWORD: «{A10}»
SA_PASSWORD=«{P12}»
wp config create --dbpass=«{A10}»
drush si --db-url=mysql://u:«{A10}»@h/d
rails: PG::ConnectionBad: connection to server failed: postgres://u:«{A10}»@h/d
ActiveRecord url: "mysql2://u:«{A10}»@h/d"
Error: connect to mongodb://u:«{P10}»@h1,h2/d?authSource=admin failed
Invalid URL 'https://u:«{A10}»@': No host
requests.exceptions.ProxyError: proxy http://u:«{A10}»@p:3128
git config url."https://«{H40}»@github.com/".insteadOf "https://github.com/"
npm config set //registry.example.org/:_authToken «npm_{A36}»
pip install --index-url https://u:«{A12}»@pypi.example.org/simple x
twine upload -u u -p «{A12}» x
mvn -Dpassword=«{A10}» deploy
sonar-scanner -Dsonar.login=«{H40}»
sonar.token=«squ_{H40}»
jfrog rt c --apikey «AKCp{A69}»
az storage blob list --account-key «{B86}==»
az acr login -u x -p «{A32}»
gsutil -o Credentials:gs_secret_access_key=«{B40}»
aws s3 presign: X-Amz-Credential=AKIA{T16}%2F20261130&X-Amz-Signature=«{H64}»
X-Amz-Security-Token=«IQoJb3JpZ2lu{A200}%3D%3D»
cf login -p «{A12}»
oc login --token=«sha256~{W43}»
spawn ssh u@h; password: «{A10}»
USER ann\nPASS «{A10}»
AUTH PLAIN «{BASIC}»
a1 LOGIN ann «{A10}»
A001 LOGIN "ann" "«{P10}»"
SMTP auth failed user=ann pass=«{A10}»
RADIUS shared secret '«{A16}»'
snmp-server community «{A12}» RW
crypto isakmp key «{A16}» address 203.0.113.1
wpa-psk ascii 0 «{A16}»
set psksecret «{A16}»
pppoe password «{A10}»
ipsec: : PSK "«{A24}»"
tls-auth static key\n-----BEGIN OpenVPN Static key V1-----\n«{H32}\n{H32}»\n-----END OpenVPN Static key V1-----
wg: PresharedKey = «{B43}=»
gpg: BEGIN PGP PRIVATE: -----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n«lQOYBF{B58}»\n-----END PGP PRIVATE KEY BLOCK-----
age1: «AGE-SECRET-KEY-1{U58}»
otpauth://totp/x:ann?secret=«{T32}»&issuer=x
totp_secret=«{T32}»
backup codes: token «{A40}»
magic link https://x.example.com/login?token=«{W43}»
unsubscribe https://x.example.com/u?auth=«{A32}»
Location: https://x.example.com/cb#access_token=«{W60}»&expires_in=3600
Referer: https://x.example.com/?session_id=«{A32}»
"sessionKey":"«{A40}»"
"authToken" : "«{A40}»"
"idToken":"«{JWT}»"
"refreshToken":"«{A64}»"
'csrfmiddlewaretoken': '«{A64}»'
x-xsrf-token: «{A40}»
Cookie: laravel_session=«{B100}»
Cookie: .AspNetCore.Cookies=«CfDJ8{W100}»
Cookie: rack.session=«BAh7{B60}»; a=1
Cookie: wordpress_logged_in_x=«ann%7C1732960000%7C{A43}»
set-cookie: __Host-sid=«{W43}»; Secure
email: «o'brien@example.org»
«ann_smith-1@mail.example-shop.com»: mailbox full
owner=«ann@example.internal»
Message from «+44 7700 900123»
msisdn=«447700900123»
phone=«+4915112345678»
Rückruf unter «0151 23456789»
contact phone: «555-867-5309»
ext «(212) 555-0199» x12
visa «4012888888881881» expired
PAN=«3530111333300000»
"number": "«4000 0025 0000 3155»"
IBAN «IT60 X054 2811 1010 0000 0123 456» ok
"iban":"«BE68539007547034»"
SSN «457-55-5462»
social security: «457 55 5462»
client ip: «198.51.100.{D2}»
("«203.0.113.{D2}», 51234)
via «2a02:26f0:{H4}::{H4}:{H4}»
host=«172.31.{D2}.{D2}»
"Cmd": ["redis-server", "--requirepass", "«{A18}»"]
password: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          «66386439653236336462626566653063336164663966303231363934653561363964363833313662\n          6431626536303530376336343832656537303632313433360a626438346336353331386135323934»
$ANSIBLE_VAULT;1.2;AES256;prod\n«39613261626235363061356232353763326566643938663136366462323763353561653561363364\n3263613061326364393566373538613964336231653634350a613664613434303535643364353762»
System.Data.SqlClient.SqlException: Login failed. ConnectionString: Server=tcp:shop.database.windows.net,1433;Uid=app;Pwd={«{P12}»};Encrypt=yes;
sqlplus system/«{A9}»@ORCL
net use \\\\files\\share /user:ACME\\ann «{P12}»
db-1:5432:*:app:«{P12}»
Content-Disposition: form-data; name="password"\n\n«{A12}»\n------WebKitFormBoundary
login as admin with password «trustno»
Password for ann: «monkey»
ann@acme.io / «{P10}»
# config/database.yml\nstaging:\n  username: shop\n  password: <%= ENV['DB_PASS'] || '«{P10}» ' %>
ftp_login($conn, 'ann', '«{P10}»');
tweepy.OAuthHandler("«{A25}", "{A50}»")
fernet = Fernet(b'«{W43}=»')
hmac.new(b"«{A20}»", msg, hashlib.sha256)
jwt.encode(payload, "«{A32}»", algorithm="HS256")
jwt.sign({ id: 1 }, '«{P20}»', { expiresIn: '1h' });
cookieSession({ name: 'session', keys: ['«{A32}»'] })
dataSource.setPassword("«{P10}»");
config.setJdbcUrl("jdbc:postgresql://db/x"); config.setUsername("a"); config.setPassword("«{A10}»");
Algorithm.HMAC256("«{A24}»")
Jwts.builder().signWith(SignatureAlgorithm.HS512, "«{A40}»")
keyStore.load(in, "«{A9}»".toCharArray());
buildConfigField "String", "API_KEY", "\\"«{A32}»\\""
config.omniauth :github, '{H20}', '«{H40}»', scope: 'user'
-define(PASSWORD, "«{A10}»").
.bearer_auth("«{A40}»")
use_password(Some("«{A10}»"))
#define WIFI_PASSWORD "«{P10}»"
WiFi.begin("home", "«{P10}»");
my $dbh = DBI->connect("DBI:mysql:shop", "root", "«{P10}»");
$Password = ConvertTo-SecureString -String "«{P10}»" -AsPlainText -Force
gh secret set TOKEN --body «{A40}»
consul kv put -token=«{G}» a b
nomad job run -var token=«{G}» x.hcl
npm config set //r/:_authToken «{G}»
UPDATE users SET passwd = MD5('«{A10}»') WHERE id=1
userPassword:: «e1NTSEF9{B40}»
user default on >«{A16}» ~* +@all
secrets:\n  db: «{A20}»
pulumi config set --secret dbPassword «{A14}»
ann@acme.io:«Summer2024!»
Wallet seed: «abandon ability able about above absent absorb abstract absurd abuse access accident»
xprv: «xprv9s21ZrQH143K{A96}»
https://mainnet.infura.io/v3/«{H32}»
https://eth-mainnet.g.alchemy.com/v2/«{W32}»
Tel.: «0221 / 12 34 56»
I set the token to «{A40}» but it still fails
the admin password was reset to «{P10}» yesterday
admin/«{A10}» does not work for the console login
default creds are admin:«{A9}»
Anyone can log in with root:«{A10}»
The PIN is «{D4}»
PIN code: «{D6}»
(b'x-api-key', b'«{A32}»')
s:8:"password";s:12:"«{A12}»";
object(Cfg)#1 { ["password":protected]=> string(12) "«{A12}»" }
| password | «{A12}» |
Command '['docker', 'login', '-u', 'bot', '-p', '«{A20}»', 'r.io']' returned non-zero exit status 1.
-ERR invalid password: AUTH default «{A16}»
urllib.error.HTTPError https://api.openweathermap.org/data/2.5/weather?q=x&appid=«{H32}»
<meta name="csrf-token" content="«{B43}=»">
X-Hub-Signature-256: sha256=«{H64}»
Stripe-Signature: t=1700000000,v1=«{H64}»
license key «{U5}-{U5}-{U5}-{U5}-{U5}»
activation key: «{U4}-{U4}-{U4}-{U4}»
curl -u «{A20}»: https://api.stripe.com/v1/charges
exec: kubectl --token=«{A32}.{A20}» get po
rabbitmqctl add_user shop «{A12}»
rabbitmqctl change_password shop «{A12}»
htpasswd -b .htpasswd ann «{A12}»
htpasswd -nb ann «{A12}»
db.auth("a", "«{A12}»")
Password for the [elastic] user is: «{A20}»
PASSWORD elastic = «{A20}»
A temporary password is generated for root@localhost: «{P12}»
password changed from «{P12}» to {A12}
Contraseña: «{P12}»
error: bad key <RSAKeyValue><Modulus>x</Modulus><D>«{B170}==»</D></RSAKeyValue>
{"kty":"RSA","n":"x","e":"AQAB","d":"«{W340}»"}
{"kty":"oct","k":"«{W43}»"}
mnemonic "«letter advice cage absurd amount doctor acoustic avoid letter advice cage above»"
DEBUG 2026-11-30 10:11:12,123 connectionpool https://hooks.slack.com:443 "POST /services/«T{U8}/B{U10}/{A24}» HTTP/1.1" 404 9
INFISICAL=«st.{H24}.{H32}.{H32}»
PASSWORD='«it''s-a-secret»'
creds: ann/«{A10}»
credentials ann:«{A12}» rejected
Error: creating RDS: InvalidParameterValue: MasterUserPassword «{P14}» is not a valid password
kind: Secret\nmetadata:\n  name: x\ntype: Opaque\ndata:\n  api: «{A42}==»
Mounts: x\n Args:\n  --secret-key\n  «{A32}»\n  --port
> db.changeUserPassword("app", "«{P12}»")
new PlainTextAuthProvider("a", "«{A12}»")
220 ftp\nUSER ann\n331\nPASS «{A12}»\n230
plink -ssh ann@web-1 -pw «{A12}»
pscp -pw «{A12}» a.txt ann@h:
xfreerdp /u:ann /p:«{P12}» /v:h
snmpset -v2c -c «{A12}» host
ipmitool -U admin -P «{A12}» -H h power
Tel.: «(030) 123 45 67»
HMAC key: «{H64}»
aes key = «{H64}»
"""

KEPT_LINES = r"""
java.lang.IllegalStateException: Token endpoint returned 401
at com.acme.security.PasswordEncoderFactory.create(PasswordEncoderFactory.java:{D3})
  File "/app/auth/token_store.py", line {D3}, in refresh_token
commit {H40} broke the build
image registry.example.org/shop@sha256:{H64}
request id: {G}
X-Request-ID: {H32}
traceparent: 00-{H32}-{H16}-01
pod/payment-api-{L10}-{L5} CrashLoopBackOff
arn:aws:secretsmanager:eu-west-1:{D12}:secret:db-AbCdEf
arn:aws:sns:eu-west-1::topic
2026-11-30T10:11:12.123456Z
listening on :8443
0x7ffe{H8}
ERROR 1045 (28000): Access denied for user 'app'@'localhost' (using password: YES)
ORA-01017: invalid username/password; logon denied
AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the client secret value, not the client secret ID.
password authentication failed for user "app"
The password must be at least 12 characters long
Missing required key: api_key
KeyError: 'access_token'
Unexpected token < in JSON at position 0
SyntaxError: Unexpected token '}', line 12
token expired at 1732960000
ExpiredTokenException: The security token included in the request is expired
secret "db-credentials" not found in namespace "prod"
configmap "app-config" key "DB_PASSWORD" not found
couldn't find key password in Secret prod/db
API key not valid. Please pass a valid API key.
bearer token is malformed
SELECT id, password_hash FROM users WHERE id = $1
SELECT * FROM tokens WHERE token = ? AND user_id = ?
UPDATE users SET password = $1 WHERE id = $2
INSERT INTO sessions (token, user_id) VALUES ($1, $2)
ALTER TABLE users ADD COLUMN api_key varchar(64)
foreign key constraint "orders_user_id_fkey" violated
duplicate key value violates unique constraint "users_email_key"
Key (order_id)=({D6}) already exists.
cache key orders:{D5}:lines missing
partition key=order-{D5}
sort key: created_at
primary key is missing
keyboard interrupt
keycloak-{D1}.keycloak.prod.svc.cluster.local
jdbc:postgresql://db-1:5432/shop?user=app
redis://cache-1:6379/0
amqp://mq-1:5672
mongodb://db-1,db-2/shop?replicaSet=rs0
https://api.example.com/v1/tokens/refresh
https://login.microsoftonline.com/{G}/oauth2/v2.0/token
POST /oauth/token 401 12ms
GET /users/password/reset HTTP/1.1
src/auth/password.service.ts:{D2}:{D2}
webpack:///./node_modules/jsonwebtoken/verify.js?{H4}
node_modules/bcrypt/lib/binding/napi-v3/bcrypt_lib.node
libcrypto.so.3 not found
TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
SHA256:{H64}
sha1: {H40}
md5sum {H32}  file.tar.gz
ETag: W/"{H32}"
Etag "{H40}-gzip"
If-None-Match: "{H32}"
integrity="sha384-{B64}"
v1.29.3+k3s1
openssl 3.0.13 30 Jan 2024
Python/3.12.4 aiohttp/3.10.5
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.{D2} Safari/537.36
kernel: Out of memory: Killed process {D5} (java) total-vm:{D7}kB
goroutine {D3} [chan receive, 5 minutes]:
main.(*Server).authToken(0xc000{H6}, {0xc000{H6}, 0x20})
thread 'tokio-runtime-worker' panicked at src/auth/token.rs:{D2}:{D2}:
System.Security.Authentication.AuthenticationException: The remote certificate is invalid
at Microsoft.IdentityModel.Tokens.JwtSecurityTokenHandler.ValidateToken(String token, TokenValidationParameters validationParameters)
def authenticate(username: str, password: str) -> bool:
public void setPassword(String password) {
if (password == null || password.isEmpty())
password = getpass.getpass()
token = os.environ["GITHUB_TOKEN"]
apiKey: process.env.API_KEY
secret: ${DB_SECRET}
password: {{ .Values.db.password }}
password: "<redacted>"
password=****
pwd=$PASSWORD
Authorization: Bearer <token>
Authorization: [REDACTED]
api_key=YOUR_API_KEY_HERE is not set
error_code=AUTH_TOKEN_EXPIRED
errorKey=error.password.mismatch
i18n key login.password.label not found
csrf token mismatch
invalid_grant: Token has been expired or revoked.
grant_type=refresh_token
token_endpoint_auth_method=client_secret_basic
max_tokens=4096 completion_tokens=812
num_keys=12 key_count=5
--keyspace orders --token-ring
ssh_host_rsa_key not found
id_rsa.pub
/etc/ssl/private/server.key: Permission denied
/run/secrets/db_password: no such file
-p 8080:80
docker run -p 5432:5432 -e POSTGRES_DB=shop postgres
mkdir -p /var/lib/app
i-{H17} terminated
subnet-{H17}
ami-{H17}
sg-{H17}
build #{D4} failed after {D3}s
exit code 137
SIGSEGV at 0x{H12}
JIRA-{D4}
PR #{D4} merged
Order {D8} not found for customer {D6}
userId={G}
session closed for user root
session opened for user app by (uid=0)
tenant={G}
deviceId: {G}
span_id={H16}
build_id={H40}
revision={H40}
BuildID[sha1]={H40}
container_id={H64}
layer sha256:{H12}: Pulling fs layer
correlationId=a{H31}
ray id {H16}
x-amz-id-2: {B76}
offset={D9} partition={D1}
lag={D6}
version=1.2.3-SNAPSHOT
spring-security-oauth2-client-6.3.{D1}.jar
com.fasterxml.jackson.databind.exc.MismatchedInputException
React error #185
MongoServerError: E11000 duplicate key error collection: shop.users index: email_1 dup key
127.0.0.1:{D4}
localhost/127.0.0.1:9092
0.0.0.0/0
::1
fe80
255.255.255.0
10.15.7 (macOS)
macOS 14.6.1 (23G93)
MAC 0a:1b:2c:3d:4e:5f
1.3.6.1.4.1.311
3.14.15.92 release notes
lat=52.52, lon=13.40
price 1,299.00 EUR
qty: 12345678
timestamp=1732960000123
uptime 123456789 ms
tracking number 1Z999AA10123456784
ISO 8601
GMT+0100
checksum mismatch: expected {H64} but got {H64}
Basic auth is disabled
basic_auth: disabled
Cookie: theme=dark
cookie "sid" not found
Set-Cookie header is missing SameSite
Auth: none
auth=anonymous
login=ann
user=app
username=svc-orders
pass 3 of 5
passed: 12 failed: 3
bypass=true
passenger_id={D6}
compass.heading=12
tokenizer: cl100k_base
secretary notified
monkey=banana
hotkey=Ctrl+C
pin=GPIO17
pinned=true
spin_lock timeout
code=ECONNREFUSED
status code=503
postal code: 10115
sig=SIGTERM
signature=(Ljava/lang/String;)V
signature verification failed
nonce=0
seed=1234
salt and pepper
hash=-1234567
hash mismatch for chunk {D4}
author: Ann
authority=example.com
credentials provider chain is empty
No credentials found
2026-11-30T10:11:12Z ERROR [token-service,{H16},{H16}] 1 --- [nio-8080-exec-1] c.a.TokenController : failed
nginx: 2026/11/30 10:11:12 [error] 12#12: *{D5} upstream timed out (110: Connection timed out)
Caused by: java.net.SocketTimeoutException: Read timed out
	at sun.security.ssl.SSLSocketImpl.readRecord(SSLSocketImpl.java:{D3})
	at org.springframework.security.oauth2.provider.token.DefaultTokenServices.loadAuthentication(DefaultTokenServices.java:{D3})
    at async TokenStore.refresh (file:///app/dist/token-store.js:{D2}:{D2})
  at Shop.Auth.PasswordHasher.Verify(String hash, String password) in /src/PasswordHasher.cs:line {D2}
  from app/models/user.rb:{D2}:in `authenticate'
#0  0x00007f{H10} in pthread_mutex_lock () from /lib/x86_64-linux-gnu/libpthread.so.0
0   libsystem_kernel.dylib  0x00000001{H8} __pthread_kill + 8
frame #12: 0x0000000{H9} app`main + 42
*** Error in `./app': double free or corruption (!prev): 0x0000{H12} ***
panic: runtime error: index out of range [5] with length 3
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x{H6}]
exit status 0xc0000005
HRESULT: 0x80070005 (E_ACCESSDENIED)
Faulting module path: C:\Windows\System32\KERNELBASE.dll
0x{H8}: mov rax, [rbx+0x10]
CVE-2026-{D5}
CWE-798 hard-coded credentials
sha512:{H128}
docker.io/library/postgres@sha256:{H64}
image: shop/api:1.4.2-{H7}
helm.sh/chart: shop-1.2.3
app.kubernetes.io/instance: shop-{L5}
pod-template-hash: {H10}
node ip-10-0-12-34.eu-west-1.compute.internal
deployment.apps/payments-{H9}-{L5} condition met
container runtime: containerd://1.7.12
containerID: containerd://{H64}
uid: {G}
resourceVersion: "{D8}"
job-{G}
s3://shop-artifacts/builds/{H40}/app.tar.gz
arn:aws:kms:eu-west-1:{D12}:key/{G}
arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
arn:aws:ecs:eu-west-1:{D12}:task/prod/{H32}
vpc-{H17} eni-{H17} i-{H17}
projects/shop/secrets/db-password/versions/3
projects/shop/locations/global/keyRings/ring/cryptoKeys/key/cryptoKeyVersions/1
https://vault.example.com/v1/secret/data/db
https://shop.vault.azure.net/secrets/db-password
/subscriptions/{G}/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/kv
x-ms-request-id: {G}
x-amzn-RequestId: {G}
x-amz-cf-id: {W54}==
x-cache: Miss from cloudfront
x-envoy-upstream-service-time: 12
opc-request-id: {X32}
cf-ray: {H16}-AMS
x-trace: {H32}
b3: {H32}-{H16}-1
trace={H32}
uber-trace-id: {H16}:{H16}:0:1
dd.trace_id={D19} dd.span_id={D19}
transaction.id: {H16}
event_id={H32}
message_id=<20261130101112.{D5}@mail>
idempotency-key: {G}
Idempotency-Key: {G}
etag={H32}
checksum={H8}
crc32: 0x{H8}
git rev-parse HEAD: {H40}
{H7} Fix token refresh (#{D3})
diff --git a/src/token.py b/src/token.py
index {H7}..{H7} 100644
@@ -{D2},7 +{D2},9 @@ def get_token(self):
version: 3.2.1+build.{D3}
java version "17.0.9" 2023-10-17 LTS
Node.js v22.11.0
Linux 6.8.0-48-generic #48-Ubuntu SMP
go: module github.com/golang-jwt/jwt/v5@v5.2.1
pip install cryptography==43.0.3
django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.
jwt.exceptions.InvalidSignatureError: Signature verification failed
jose.exceptions.JWTError: Not enough segments
org.postgresql.util.PSQLException: FATAL: password authentication failed for user "app"
redis.exceptions.AuthenticationError: WRONGPASS invalid username-password pair or user is disabled.
NOAUTH Authentication required.
MongoServerError: bad auth : authentication failed
pymysql.err.OperationalError: (1045, "Access denied for user 'app'@'db' (using password: NO)")
botocore.exceptions.NoCredentialsError: Unable to locate credentials
An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation
google.auth.exceptions.DefaultCredentialsError: Could not automatically determine credentials
stripe.error.InvalidRequestError: No such customer: 'cus_{A14}'
No such payment_intent: 'pi_{A24}'
Error: secretOrPrivateKey must have a value
error:0909006C:PEM routines:get_name:no start line
error:1E08010C:DECODER routines::unsupported
Host key verification failed.
Permission denied (publickey,password).
Enter passphrase for key '/home/app/.ssh/id_ed25519':
ssh-rsa AAAAB3NzaC1yc2E{A60} app@host
SHA256:{A43} app@host (ED25519)
fingerprint {H2}:{H2}:{H2}:{H2}:{H2}:{H2}
certificate serial {H32}
CN=shop.example.com,O=Acme,C=DE
KeyUsage: digitalSignature, keyEncipherment
kid={A8} not found in JWKS
alg=RS256 typ=JWT
iss=https://auth.example.com/ aud=shop-api
scope=openid profile email
response_type=code&client_id=shop-web
redirect_uri=https://shop.example.com/callback
error=invalid_client&error_description=Client+authentication+failed
token_type=bearer expires_in=3600
tokens=512 temperature=0.7
stop token reached
EOF token expected
token ring
next token is 'else'
Parse error: unexpected token "=>" on line 3
CSRF verification failed. Request aborted.
password: required
password: ["This field may not be blank."]
{"password": ["Too short."]}
errors.password.too_short
"password" is not allowed to be empty
field password is required
label.password=Password
placeholder="Enter your password"
PasswordResetTokenExpired
type Password struct {
class ApiKeyFilter extends OncePerRequestFilter {
function getToken(): string {
const { password, ...rest } = user;
self.token = token
this.apiKey = apiKey;
user.password = password
params.require(:user).permit(:email, :password)
attr_accessor :token
where(api_key: key)
auth = HTTPBasicAuth(user, password)
os.getenv("API_TOKEN")
System.getenv("DB_PASSWORD")
@Value("${app.secret}")
secretRef: name: db
valueFrom: secretKeyRef
password_file=/run/secrets/pw
SecretString is null
secret version AWSCURRENT not found
passwordless login enabled
Pwd: /home/app
PWD=/srv/app
OLDPWD=/srv
auth_type=oauth2
authMode: SCRAM-SHA-256
sasl.mechanism=PLAIN
security.protocol=SASL_SSL
ssl.key.location=/etc/ssl/client.key
ssl_key_file /etc/ssl/x.key
keyfile: /etc/mongo/keyfile
keystore.type=PKCS12
KEY_ROWS=12
keyCode=13
monitor_key=host-1
row key: 2026-11-30#orders
routing_key=orders.created
message key=null
Redis key user:{D5}:cart expired
hash key {D6}
foreign_key=order_id
public_key: ssh-ed25519
pubkey {H64}
api_version=v2
session_id is missing
session timeout after 30m
sessionAffinity: ClientIP
cookie consent
cookies=enabled
sticky_cookie=off
code=E_AUTH_01
code: 40101
pin 12 is high
PIN_COUNT=4
otp required
card declined: insufficient_funds
card_type=visa
account_number is invalid
phone is required
tel aviv
mobile app crashed
contact support
user@host:~$ ls
git@gitlab.com:acme/shop.git
npm ERR! code E401
@angular/core@17.3.0
user@
@app.get("/token")
1.2.3.4 is not covered by version 1.2.3.4
chrome 130.0.6723.91
driver version 535.183.01
10.0.19045.5131
6.8.0.48
0.0.0.0:8080
224.0.0.251:5353
http://[::1]:8080
::ffff
a::b
12:34:56
00:11:22:33:44:55
lat 52.5200 lon 13.4050
ISBN 9783161484100
order 4111-1111-2222
ref 1234-5678-9012
RFC 3339
{D10} bytes
{D13}
{D16} ns
AttributeError: 'NoneType' object has no attribute 'token'
TypeError: login() missing 1 required positional argument: 'password'
NameError: name 'api_key' is not defined
KeyError: 'DB_PASSWORD'
IndexError: list index out of range
ModuleNotFoundError: No module named 'secrets_store'
ImportError: cannot import name 'TokenBackend' from 'rest_framework_simplejwt.backends'
pydantic.ValidationError: 1 validation error for Settings\nsecret_key\n  field required (type=value_error.missing)
django.db.utils.IntegrityError: UNIQUE constraint failed: accounts_token.key
NoMethodError: undefined method `password' for nil:NilClass
ActionController::InvalidAuthenticityToken
PG::UniqueViolation: Key (token)=(x) already exists
TypeError: Cannot read properties of undefined (reading 'accessToken')
ReferenceError: apiKey is not defined
TS2339: Property 'password' does not exist on type 'User'.
error TS2304: Cannot find name 'token'.
error[E0425]: cannot find value `secret` in this scope
undefined: token
./main.go:12:2: declared and not used: password
cannot use password (variable of type string) as []byte value
error CS0103: The name 'apiKey' does not exist
error: ';' expected at Token.java:{D2}
Parameter 'password' not found. Available parameters are [user, param1]
Field 'password' doesn't have a default value
Unknown column 'users.api_token' in 'where clause'
column "password_digest" does not exist
relation "auth_tokens" does not exist
no such table: tokens
Table 'shop.oauth_access_tokens' doesn't exist
CREATE TABLE tokens (id uuid PRIMARY KEY, token text NOT NULL)
CREATE INDEX idx_users_token ON users (token);
WHERE password IS NULL
AND session_key = %s
SELECT password FROM users LIMIT 1
DELETE FROM sessions WHERE expires < now()
mapper: UserMapper.selectByToken
Hibernate: select u.password from users u where u.id=?
Expected BEGIN_OBJECT but was STRING at line 1 column 2 path $.token
JSON path $.data.password
missing property 'clientSecret'
Could not resolve placeholder 'jwt.secret' in value "${jwt.secret}"
No property password found for type User
spring.datasource.password is empty
Bean named 'passwordEncoder' could not be found
org.springframework.security.crypto.bcrypt.BCryptPasswordEncoder
There is no PasswordEncoder mapped for the id "null"
Full authentication is required to access this resource
Invalid CSRF Token 'null' was found
Bearer error="invalid_token", error_description="Jwt expired"
WWW-Authenticate: Bearer realm="shop", error="invalid_token"
WWW-Authenticate: Basic realm="x"
HTTP/1.1 401 Unauthorized
curl: (22) The requested URL returned error: 401
curl: (6) Could not resolve host: api.example.com
fatal: Authentication failed for 'https://github.com/acme/shop.git/'
remote: Permission to acme/shop.git denied to deploy-bot.
error: failed to push some refs
Warning: Permanently added 'github.com' (ED25519) to the list of known hosts.
kex_exchange_identification: Connection closed by remote host
x509: certificate signed by unknown authority
tls: failed to verify certificate
javax.net.ssl.SSLHandshakeException: PKIX path building failed
java.security.UnrecoverableKeyException: Password verification failed
java.io.IOException: keystore password was incorrect
openssl: bad decrypt
gpg: decryption failed: No secret key
Invalid padding bytes.
secret key length must be 32 bytes
key size 2048
key_length=256
keys: 12
key: value
Key: orders/2026/11/30/{D6}.json
key=orders-{D4}
NoSuchKey: The specified key does not exist.
AccessDenied: User: arn:aws:iam::{D12}:user/ci is not authorized to perform: sts:AssumeRole
InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.
SignatureDoesNotMatch: The request signature we calculated does not match
ExpiredToken: The provided token has expired.
Unable to load credentials from any of the providers in the chain
Error: 16 UNAUTHENTICATED: Request had invalid authentication credentials.
PERMISSION_DENIED: Missing or insufficient permissions.
AADSTS50076: Due to a configuration change
AADSTS700016: Application with identifier '{G}' was not found in the directory '{G}'.
Trace ID: {G} Correlation ID: {G} Timestamp: 2026-11-30 10:11:12Z
The user or administrator has not consented to use the application with ID '{G}'
pq: password authentication failed for user "app"
FATAL: role "app" does not exist
ERR AUTH <password> called without any password configured
WRONGPASS invalid username-password pair
Login failed for user 'sa'. Reason: Password did not match that for the login provided. [CLIENT: <local machine>]
ORA-28000: the account is locked
SASL authentication failed: Authentication failed: Invalid username or password
kafka.errors.NoBrokersAvailable
[Consumer clientId=consumer-1, groupId=shop] Error while fetching metadata with correlation id {D4}
topic=orders partition=3 offset={D8} key=null
Committed offset {D8} for partition orders-3
NotEnoughReplicasException
ZooKeeper session 0x{H16} expired
sessionid:0x{H15}, timeout: 30000
Failed to pull image "registry.example.org/shop:1.2.3": unauthorized
Back-off restarting failed container api in pod api-{L9}-{L5}_prod({G})
MountVolume.SetUp failed for volume "db-credentials" : secret "db-credentials" not found
Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:prod:api" cannot list resource
secret/db-credentials created
secrets "tls" already exists
serviceaccount token mounted at /var/run/secrets/kubernetes.io/serviceaccount/token
readiness probe failed: HTTP probe failed with statuscode: 503
OOMKilled exitCode: 137
evicted: The node was low on resource: memory
etcdserver: request timed out
terraform: Error acquiring the state lock ID: {G}
aws_secretsmanager_secret.db: Refreshing state... [id=arn:aws:secretsmanager:eu-west-1:{D12}:secret:db-{A6}]
module.vpc.aws_subnet.private[0]
Error: Invalid index on main.tf line {D2}
ansible: FAILED! => {"changed": false, "msg": "Missing sudo password"}
Jenkins build #{D4} FAILURE
GitHub Actions: Process completed with exit code 1.
::error file=src/token.ts,line={D2},col=5::x
Run actions/checkout@v4
npm ERR! 401 Unauthorized
npm WARN deprecated request@2.88.2
yarn add jsonwebtoken@9.0.2
go: downloading golang.org/x/crypto v0.28.0
go.sum: golang.org/x/crypto v0.28.0 h1:{B43}=
Cargo.lock checksum = "{H64}"
poetry.lock content-hash = "{H64}"
sha256-{B43}=
resolved integrity sha512-{B86}==
pip hash --hash=sha256:{H64}
docker: Digest: sha256:{H64}
Status: Downloaded newer image for postgres:16
Step 4/12 : RUN pip install -r requirements.txt
 ---> {H12}
Removing intermediate container {H12}
Successfully built {H12}
apk add openssl=3.1.4-r5
E: Unable to locate package libssl1.1
systemd[1]: app.service: Main process exited, code=exited, status=1/FAILURE
sshd[{D4}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh
sudo: 3 incorrect password attempts
audit: type=1400 apparmor="DENIED" operation="open"
segfault at {H8} ip 00007f{H10} sp 00007ff{H9} error 4 in libc.so.6[7f{H10}+195000]
RIP: 0010:{H16}
Call Trace: [<{H16}>] ? dump_stack+0x63/0x81
Thread 0x00007f{H10} (most recent call first):
pid={D5} tid={D5}
java.lang.OutOfMemoryError: Java heap space
GC overhead limit exceeded
hs_err_pid{D5}.log
jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)
lambda$main$0(App.java:{D2})
com.acme.App$$Lambda$14/0x0000000800c03000.run(Unknown Source)
Suppressed: java.lang.Exception: x
... 34 common frames omitted
System.NullReferenceException: Object reference not set to an instance of an object.
--- End of stack trace from previous location ---
at lambda_method{D3}(Closure, Object)
MyApp.Tests.TokenTests.Refresh_Token_Returns_401
test_password_reset_sends_mail FAILED
tests/test_auth.py::test_login[bad-password] FAILED
FAIL src/token.spec.ts > TokenService > refreshes token
Expected: "token" Received: undefined
--- FAIL: TestParseToken (0.00s)
ok  	github.com/acme/shop/auth	0.{D3}s
coverage: 81.2% of statements
WebSocket close code 1006
ERR_CONNECTION_REFUSED
net::ERR_CERT_DATE_INVALID
CORS policy: No 'Access-Control-Allow-Origin' header
Uncaught (in promise) DOMException: Failed to execute 'getToken'
ChunkLoadError: Loading chunk {D2} failed. (https://cdn.example.com/static/js/{D2}.{H8}.chunk.js)
webpack compiled with 1 error
index-{A8}.js:1:{D5}
main.{H20}.js
vendor-{H8}.css
https://example.com/assets/app-{H32}.js
https://fonts.gstatic.com/s/roboto/v30/KFOmCnqEu92Fr1Mu4mxK.woff2
https://example.com/orders/{G}/items
https://example.com/u/{D8}?utm_source=x
/api/v2/customers/{H24}/orders
urn:uuid:{G}
oid {H24}
ObjectId("{H24}")
_id: {H24}
01HF{U22}
order_{L10}
cus_{A14}
txn {D12}
seq={D10}
epoch {D13}
2026-W48
10:11:12.123
+00:00
Mon, 30 Nov 2026 10:11:12 GMT
1.0.0-beta.{D2}
v1beta1
20261130.1
r{D6}
build 22631.4460
iPhone15,2 iOS 18.1
Android 14 (API 34)
SM-G998B
Version/18.1 Safari/605.1.15
libssl.so.1.1
python3.12
x86_64-unknown-linux-gnu
hive.metastore.uris thrift://hms-1:9083
fs.s3a.endpoint=s3.eu-west-1.amazonaws.com
fs.s3a.aws.credentials.provider=org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider
java.security.NoSuchAlgorithmException: SHA-999 MessageDigest not available
org.apache.kafka.common.errors.SaslAuthenticationException: Authentication failed: Invalid username or password
at org.apache.hadoop.security.token.Token.decodeIdentifier(Token.java:{D3})
Token{kind: HDFS_DELEGATION_TOKEN, service: 10}
GSSException: No valid credentials provided (Mechanism level: Failed to find any Kerberos tgt)
KrbException: Client not found in Kerberos database (6)
io.jsonwebtoken.ExpiredJwtException: JWT expired at 2026-11-30T10:11:12Z. Current time: 2026-11-30T10:12:00Z
Illuminate\Auth\AuthenticationException: Unauthenticated.
Symfony\Component\Security\Core\Exception\BadCredentialsException
PHP Warning:  Undefined array key "password" in /var/www/login.php on line {D2}
PHP Fatal error:  Uncaught TypeError: hash(): Argument #2 ($data)
Notice: Undefined index: token
Rack::Timeout::RequestTimeoutException
OpenSSL::Cipher::CipherError: bad decrypt
OpenSSL::SSL::SSLError: SSL_connect returned=1 errno=0 state=error: certificate verify failed
Devise::MissingWarden
JWT::DecodeError: Nil JSON web token
(JWT::VerificationError)
Elixir.Phoenix.Token.verify/4
** (KeyError) key :password not found in: %{}
** (MatchError) no match of right hand side value: {:error, :invalid_token}
exception error: no match of right hand side value {error,{auth,bad_password}}
fatal error: Unexpectedly found nil while unwrapping an Optional value: file Token.swift, line {D2}
*** Terminating app due to uncaught exception 'NSInvalidArgumentException'
kotlin.UninitializedPropertyAccessException: lateinit property apiKey has not been initialized
E/AndroidRuntime: FATAL EXCEPTION: main Process: com.acme.shop, PID: {D5}
W/System.err: at com.acme.shop.LoginActivity.onCreate(LoginActivity.kt:{D2})
I/flutter: Unhandled Exception: type 'Null' is not a subtype of type 'String' of 'token'
#1      AuthRepository.signIn (package:shop/auth.dart:{D2}:{D2})
LLVM ERROR: out of memory
ld: symbol(s) not found for architecture arm64
undefined reference to `crypto_secretbox_open'
AddressSanitizer: heap-use-after-free on address 0x{H12} at pc 0x{H12} bp 0x{H12} sp 0x{H12}
READ of size 8 at 0x{H12} thread T0
SUMMARY: AddressSanitizer: SEGV /src/token.c:{D2}:{D2} in parse_token
=={D5}==ERROR: LeakSanitizer
core dumped (pid {D5})
oom-kill:constraint=CONSTRAINT_MEMCG
blk_update_request: I/O error, dev sda, sector {D8}
EXT4-fs error (device sda1): inode #{D7}
nfs: server nas-1 not responding
eth0: link down
wlan0: authenticate with 00:1a:2b:3c:4d:5e
bgp 65001 peer down
%LINK-3-UPDOWN: Interface GigabitEthernet0/1
DHCPDISCOVER from 00:1a:2b:3c:4d:5e via eth0
named: zone example.com/IN: loaded serial 2026113001
postfix/smtpd: NOQUEUE: reject: 450 4.7.1 Client host rejected
dovecot: imap-login: Aborted login (auth failed, 1 attempts)
CRON[{D5}]: (root) CMD (run-parts /etc/cron.hourly)
haproxy: backend web has no server available!
[error] 31#31: *{D6} connect() failed (111: Connection refused) while connecting to upstream, request: "POST /oauth/token HTTP/1.1"
varnish: VCL compiled
squid TCP_DENIED/407
envoy: upstream_reset_before_response_started{{connection_termination}}
istio: no healthy upstream
rpc error: code = Unauthenticated desc = invalid token
rpc error: code = PermissionDenied desc = missing credentials
status: 16 UNAUTHENTICATED
grpc-status: 7
error code: 1020
Cloudflare Ray ID: {H16}
Error 520
AWS Lambda REPORT RequestId: {G} Duration: 12.3 ms Memory Size: 128 MB
START RequestId: {G} Version: $LATEST
Task timed out after 3.00 seconds
[ERROR] Runtime.ImportModuleError
ThrottlingException: Rate exceeded
ProvisionedThroughputExceededException
ConditionalCheckFailedException: The conditional request failed
ValidationException: One or more parameter values were invalid: Missing the key pk in the item
NoSuchBucket
The specified blob does not exist. RequestId:{G} Time:2026-11-30T10:11:12Z
ServiceBusException: MessagingEntityNotFound TrackingId:{G}_G{D2}
CosmosException: statusCode: 429, activityId: {G}
SqlException (0x80131904): Timeout expired.
BigQuery: Not found: Table shop:ds.tokens_{D8}
googleapi: Error 403: Cloud KMS API has not been used in project {D12}
PERMISSION_DENIED: Permission 'secretmanager.versions.access' denied for resource 'projects/{D12}/secrets/db/versions/latest'
Snowflake: 250001 (08001): Failed to connect to DB
redshift: query {D7} cancelled
clickhouse: Code: 516. DB::Exception: default: Authentication failed
cassandra.Unauthorized: User app has no SELECT permission
elasticsearch: security_exception: missing authentication credentials for REST request [/_search]
influxdb: unauthorized access
prometheus: server returned HTTP status 401 Unauthorized
grafana: logger=context userId=0 orgId=0 uname= t=2026-11-30T10:11:12Z level=info
jaeger: dropped {D4} spans
celery: Task shop.tasks.refresh_token[{G}] raised unexpected: ValueError()
rq: Job {G} failed
sidekiq: {"class":"TokenRefreshJob","jid":"{H24}"}
airflow: Dag run token_refresh failed
dagster run {G}
spark: Lost task 0.0 in stage 1.0 (TID {D3}) (10-node executor 1)
yarn application_1732960000123_{D4}
container_1732960000123_{D4}_01_000001
block blk_{D10}_{D4}
region orders,,1732960000123.{H32}.
kafka: group coordinator not available
mqtt: client id dev-{H8} disconnected
nats: no responders available for request
amqp: PRECONDITION_FAILED - unknown delivery tag {D2}
zk: /brokers/ids/{D1}
etcd: member {H16} has no leader
raft: term {D3}
consul: no cluster leader
nomad alloc {G} failed
docker: Error response from daemon: No such container: {H12}
overlay2/{H64}/merged
podman: {H64}
buildkit: failed to compute cache key: "/src" not found
cache key: {H64}
npm sill idealTree buildDeps
gradle: Execution failed for task ':app:compileReleaseKotlin'.
FAILURE: Build failed with an exception. > Could not resolve com.acme:token-client:1.2.3
[ERROR] Failed to execute goal org.apache.maven.plugins:maven-surefire-plugin:3.2.5:test
bazel: @@rules_jvm_external~~maven~maven//:com_acme_auth
pytest: E   assert 401 == 200
cypress: expected '[data-cy=password]' to be visible
selenium: no such element: {"method":"css selector","selector":"#password"}
playwright: locator('input[name="password"]')
<input id="password" type="password" autocomplete="current-password">
<label for="token">Token</label>
data-testid="api-key-input"
aria-label="Password"
t('login.password.required')
"login.password": "Password"
password_confirmation doesn't match Password
Passwords do not match
Token is invalid or has expired
Your session has expired
The CSRF session token is missing.
Secret not found: db/password
secrets manager secret db-password has no value
No API key provided
Api key missing in header X-Api-Key
header 'Authorization' missing
unsupported Authorization scheme: Digest
Authorization header must start with Bearer
key size: 4096 bits
Key usage not permitted
keyId: {G}
kid: {H40}
publicKey: {B43}=
public key MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A{B40}
x5t: {W27}
thumbprint: {X40}
serial: {X32}
fingerprint=SHA256:{B43}
commit={H40}
sha={H7}
GIT_SHA={H40}
CI_COMMIT_SHA={H40}
GITHUB_SHA={H40}
BUILD_NUMBER={D4}
tag: v1.2.3-{H7}
release {H12}
deploy-{D8}
version {D1}.{D2}.{D3}
node_modules/.pnpm/jsonwebtoken@9.0.2/node_modules/jsonwebtoken/index.js
C:\Users\app\AppData\Local\Temp\token.tmp
/var/lib/docker/overlay2/{H64}/diff
/proc/{D4}/fd/{D2}
tmp{L8}
user_id={D6} order_id={D8}
customer {G}
account_id: {D12}
parser.add_argument("--password", required=True, help="x")
@click.option("--password", prompt=True, hide_input=True)
parser.add_argument('--db-password', '-p', default=None)
add_argument("--password", "DB password")
usage: login [--user USER] [--password PASSWORD]
-p, --password=PASS  the password
flag.String("password", "", "the password")
"token" -> tokenProvider.get()
[error] => 1
self.api_key = api_key
branch secret-rotation-2 deleted
1 LOGIN page loaded
密码：不能为空
<name>password</name> <value></value>
password: (sensitive value)
$password = $_POST['password'];
existingSecret: shop-postgresql
Could not load file or assembly 'Acme.Auth, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089'
WARNING! Using --password via the CLI is insecure. Use --password-stdin.
spring.datasource.password=@db.password@
<string name="prompt_password">Password</string>
"password": "Password",
"forgotPassword": "Forgot your password?",
Using generated security password: see below
chpasswd: (user ann) pam_chauthtok() failed
systemd[1]: user@1000.service: Main process exited, code=exited, status=1/FAILURE
checksum/secret: {H64}
Microsoft.IdentityModel.Tokens.SecurityTokenExpiredException: IDX10223: Lifetime validation failed.
Cache restored from key: node-modules-{H64}
Cache not found for input keys: Linux-node-{H64}, Linux-node-
Restored cache key: v2-deps-main-{B43}=
$ curl -u "$USER:$PASS" https://x
client = Client(client_id=client_id, client_secret=client_secret, timeout=5)
user, password = proxy_auth
host, login_pass = split_login(address)
def size_of(self, storage_key: StorageKey) -> int:
def __init__(self, owner_secret: str):
sharedSecret := []byte{0x00, 0x01}
pool.privateKeys = sync.Pool{New: newKey}
session.headers["api-key"] = api_key
early: {earlySecret:  earlySecret, clientHello: hello}
permissions: {id-token: write, contents: read}
#define SYS_PASSWD    0x216
&ssl_key=/home/shop/tls/client-key.pem
api_key="hf_...",  # your own
FUNC:_ZNSs9_M_assignEPcmc@GLIBCXX_3.4
user name and password login, cookies and the rest are left out
secrets: inherit
#define SSL_R_BAD_SRP_PASSWORD 81
#define HAVE_PASSWD_SECRET 1
config.certificates[0].privateKey = testKey
server: {PrivateKey: k, Cert: c}
const identityToken = await this.identityToken();
$PASSWORD = $Shop::Config->{password} || "";
ACME_KEY_ENV = "ACME_API_KEY"
"""

"""Keys and tokens that tell what they are by their own form, as their issuers document it.

Each row: kind, a literal that cannot be missing (the gate), the RE2 pattern of the whole secret.
Refuses forms without a mark of their own (plain hex or base64): those need a telling key.
"""

from __future__ import annotations

from fixstream.triage.secrets.model import Detector, by_pattern

ROWS: tuple[tuple[str, str, str], ...] = (
    # Clouds
    ("aws_key", r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    ("aws_key", r"ABSK", r"\bABSK[A-Za-z0-9+/]{60,}={0,2}"),
    ("azure_key", r"\dQ~", r"\b[\w~.-]{3}\dQ~[\w~.-]{31,34}"),
    ("azure_key", r"AZDO", r"\b[A-Za-z0-9]{60,}AZDO[A-Za-z0-9]{4}\b"),
    ("azure_key", r"JQQJ99", r"\b[A-Za-z0-9]{30,60}JQQJ99[A-Za-z0-9]{20,50}\b"),
    ("gcp_key", r"AIza", r"\bAIza[\w-]{35}"),
    ("gcp_token", r"ya29\.", r"\bya29\.[\w-]{20,}"),
    ("gcp_token", r"\b4/0A", r"\b4/0A[\w-]{20,}"),
    ("gcp_secret", r"GOCSPX-", r"\bGOCSPX-[\w-]{20,}"),
    ("gcp_token", r"1//0", r"\b1//0[\w-]{40,}"),
    ("gcp_key", r"GOOG1?[A-Z0-9]", r"\bGOOG[A-Z0-9]{20,70}\b"),
    ("alibaba_key", r"LTAI", r"\bLTAI[A-Za-z0-9]{12,24}\b"),
    ("tencent_key", r"AKID", r"\bAKID[A-Za-z0-9]{32}\b"),
    ("yandex_key", r"AQVN|t1\.", r"\b(?:AQVN[\w-]{35,38}|t1\.[A-Z0-9][\w-]+=*\.[\w-]{80,}=*)"),
    ("digitalocean_token", r"do[opr]_v1_", r"\bdo[opr]_v1_[0-9a-f]{64}"),
    ("heroku_key", r"HRKU-", r"\bHRKU-[\w-]{20,}"),
    ("cloudflare_key", r"v1\.0-", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
    (
        "fly_token",
        r"FlyV1|fm[12]\w?_",
        r"\b(?:FlyV1 )?fm[12][ar]?_[\w+/=,-]{40,}|\bFlyV1 [\w+/=,-]{40,}",
    ),
    ("netlify_token", r"nf[pcbou]_", r"\bnf[pcbou]_[A-Za-z0-9]{36,}"),
    ("databricks_token", r"dapi[0-9a-f]", r"\bdapi[0-9a-f]{32}(?:-\d)?\b"),
    ("planetscale_token", r"pscale_", r"\bpscale_(?:tkn|oauth|pw)_[\w.=-]{32,}"),
    ("supabase_key", r"sb[p]_|sb_secret_", r"\b(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,})"),
    # Forges, registries, build services
    ("github_token", r"gh[pousr]_", r"\bgh[pousr]_[A-Za-z0-9]{30,255}"),
    ("github_token", r"github_pat_", r"\bgithub_pat_\w{22,255}"),
    (
        "gitlab_token",
        r"gl[a-z]{2,5}-",
        r"\bgl(?:pat|ptt|dt|rt|rtr|cbt|agent|soat|ft|imt|oas|ffct|wt)-[\w.-]{19,}[\w]",
    ),
    ("gitlab_token", r"GR1348941", r"\bGR1348941[\w-]{20,}"),
    ("gitlab_token", r"_gitlab_session", r"_gitlab_session=[0-9a-f]{32}"),
    ("bitbucket_token", r"ATBB", r"\bATBB[A-Za-z0-9]{28,}"),
    ("atlassian_token", r"AT[AC]TT3", r"\bAT[AC]TT3[\w=.-]{40,}"),
    ("npm_token", r"npm_", r"\bnpm_[A-Za-z0-9]{36}"),
    ("pypi_token", r"pypi-A", r"\bpypi-A[\w-]{40,}"),
    ("rubygems_key", r"rubygems_", r"\brubygems_[0-9a-f]{48}"),
    ("crates_token", r"cio[A-Za-z0-9]{12}", r"\bcio[A-Za-z0-9]{32}\b"),
    ("nuget_key", r"oy2[a-z0-9]", r"\boy2[a-z0-9]{43}\b"),
    ("docker_token", r"dckr_", r"\bdckr_[po]at_[\w-]{20,}"),
    ("artifactory_key", r"AKCp|cmVmd", r"\b(?:AKCp[A-Za-z0-9]{60,}|cmVmd[A-Za-z0-9]{55,}\b)"),
    ("clojars_token", r"CLOJARS_", r"\bCLOJARS_[a-z0-9]{60}"),
    ("sonar_token", r"sq[pua]_", r"\bsq[pua]_[0-9a-f]{40}"),
    ("circleci_token", r"CCI(?:PAT|PRJ)_", r"\bCCI(?:PAT|PRJ)_\w{20,}"),
    ("buildkite_token", r"bk[a-z]{1,3}_", r"\bbk(?:ua|aj|at|ct)_[0-9a-zA-Z]{40,}"),
    ("terraform_token", r"\.atlasv1\.", r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
    ("pulumi_token", r"pul-", r"\bpul-[0-9a-f]{40}"),
    ("vault_token", r"hv[sbr]\.", r"\bhv[sbr]\.[\w-]{20,}"),
    ("vault_token", r"\bs\.[A-Za-z0-9]{4}", r"\bs\.[A-Za-z0-9]{24}\b"),
    ("doppler_token", r"dp\.[a-z]", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}"),
    ("onepassword_token", r"ops_eyJ", r"\bops_eyJ[\w+/-]{100,}={0,2}"),
    ("age_key", r"AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,60}"),
    # Chat, mail, calls
    ("slack_token", r"xox[a-z][.-]", r"\bxox[abcdeoprs][.-](?:xox[bp]-)?[\w-]{10,}"),
    ("slack_token", r"xapp-", r"\bxapp-\d-[A-Za-z0-9-]{20,}"),
    (
        "slack_webhook",
        r"hooks\.slack\.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,}",
    ),
    (
        "discord_webhook",
        r"/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/\d{15,20}/[\w-]{30,}",
    ),
    (
        "discord_token",
        r"[MNO][A-Za-z][A-Z][0-5w-z][MNO]",
        r"\b[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6,7}\.[\w-]{27,40}",
    ),
    (
        "teams_webhook",
        r"webhook\.office\.com",
        r"[\w-]+\.webhook\.office\.com/webhookb2/[\w@/-]{40,}",
    ),
    ("telegram_token", r":AA", r"\b\d{8,10}:AA[\w-]{32,34}"),
    ("sendgrid_key", r"SG\.", r"\bSG\.[\w-]{16,32}\.[\w-]{16,64}"),
    ("mailgun_key", r"key-[0-9a-f]{8}", r"\bkey-[0-9a-f]{32}\b"),
    (
        "mailgun_key",
        r"-[0-9a-f]{8}-[0-9a-f]{8}",
        r"\b[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b",
    ),
    ("mailchimp_key", r"[0-9a-f]-us\d", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
    ("sendinblue_key", r"xkeysib-", r"\bxkeysib-[0-9a-f]{64}-\w{16}"),
    ("twilio_key", r"SK[0-9a-f]{6}", r"\bSK[0-9a-f]{32}\b"),
    # Payment
    ("stripe_key", r"[srp]k_(?:live|test|prod)_", r"\b[srp]k_(?:live|test|prod)_[A-Za-z0-9]{10,}"),
    ("stripe_secret", r"whsec_", r"\bwhsec_[A-Za-z0-9+/=]{16,}"),
    ("square_token", r"sq0|EAAA", r"\b(?:sq0(?:atp|csp|idp)-[\w-]{20,}|EAAA[\w-]{60}\b)"),
    (
        "braintree_token",
        r"access_token\$",
        r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
    ),
    ("shopify_token", r"shp[a-z]{2}_", r"\bshp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}"),
    (
        "plaid_token",
        r"access-(?:s|d|p)",
        r"\baccess-(?:sandbox|development|production)-[0-9a-f-]{36}",
    ),
    ("razorpay_key", r"rzp_", r"\brzp_(?:live|test)_[A-Za-z0-9]{14,}"),
    ("adyen_key", r"AQE[a-z]", r"\bAQE[a-z]hm[A-Za-z0-9+/=.-]{60,}"),
    ("easypost_key", r"EZ[AT]K", r"\bEZ[AT]K[A-Za-z0-9]{54}"),
    # Models
    ("openai_key", r"sk-(?:proj|svcacct|admin|None)-|T3BlbkFJ", r"\bsk-[\w-]{20,}"),
    ("anthropic_key", r"sk-ant-", r"\bsk-ant-[\w-]{20,}"),
    ("api_key", r"sk-[A-Za-z0-9]{4}", r"\bsk-(?:or-v1-)?[A-Za-z0-9]{32,}"),
    ("huggingface_token", r"hf_|api_org_", r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    ("groq_key", r"gsk_", r"\bgsk_[A-Za-z0-9]{40,}"),
    ("xai_key", r"xai-", r"\bxai-[A-Za-z0-9]{60,}"),
    ("replicate_token", r"r8_", r"\br8_[A-Za-z0-9]{37}"),
    ("perplexity_key", r"pplx-", r"\bpplx-[A-Za-z0-9]{40,}"),
    ("langsmith_key", r"lsv2_", r"\blsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    # Watching and paging
    ("grafana_token", r"gl(?:sa|c)_", r"\bgl(?:sa|c)_[A-Za-z0-9+/=_]{30,}"),
    ("grafana_token", r"eyJrIjoi", r"\beyJrIjoi[\w+/-]{40,}={0,2}"),
    (
        "newrelic_key",
        r"NR(?:AK|JS|II|IQ|RA|AA|AL)-|NRAL",
        r"\bNR(?:AK|JS|II|IQ|RA|AA)-[\w-]{19,}|\b[0-9a-f]{36}NRAL\b",
    ),
    ("dynatrace_token", r"dt0[a-z]\d\d\.", r"\bdt0[a-z]\d\d\.[A-Z2-7]{24}\.[A-Z2-7]{64}"),
    ("sentry_token", r"sntry[us]_", r"\bsntry[us]_[\w=+/-]{40,}"),
    # Work
    ("linear_key", r"lin_(?:api|oauth)_", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    ("notion_token", r"secret_|ntn_", r"\b(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,})\b"),
    ("airtable_token", r"[A-Za-z0-9]\.[0-9a-f]{12}", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("figma_token", r"fig[dou]r?_", r"\bfig(?:d|o|u|dr|our|uh)_[\w-]{30,}"),
    ("postman_key", r"PMAK-", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("dropbox_token", r"\bsl\.[uB]", r"\bsl\.(?:u\.)?[\w-]{100,}"),
    ("facebook_token", r"EAA[A-Z]", r"\bEAA[A-Z][A-Za-z0-9]{60,}"),
    ("twitter_token", r"AAAAAAAA", r"\bA{18,}[A-Za-z0-9%]{60,}"),
    ("mapbox_token", r"[ps]k\.eyJ", r"\b[pst]k\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("typeform_token", r"tfp_", r"\btfp_[\w=.-]{40,}"),
    ("contentful_token", r"CFPAT-", r"\bCFPAT-[\w-]{40,}"),
    ("hubspot_token", r"pat-(?:na|eu)\d-", r"\bpat-(?:na|eu)\d-[0-9a-f-]{36}"),
    ("intercom_token", r"dG9rO", r"\bdG9rO[A-Za-z0-9+/]{50,}={0,2}"),
    ("readme_key", r"rdme_", r"\brdme_[a-z0-9]{60,}"),
    ("prefect_key", r"pn[ub]_", r"\bpn[ub]_[A-Za-z0-9]{36}"),
    ("okta_token", r"SSWS", r"\bSSWS [\w-]{20,}"),
    ("salesforce_token", r"00D[A-Za-z0-9]{3}", r"\b00D[A-Za-z0-9]{12,15}![\w.]{60,}"),
    # Standard forms
    ("jwt", r"eyJ[\w-]", r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,3}"),
    ("fernet_token", r"gAAAAA", r"\bgAAAAA[\w-]{60,}={0,2}"),
)


def detectors() -> tuple[Detector, ...]:
    """Returns one detector for each row."""
    return tuple(by_pattern(kind, pattern, gate=gate) for kind, gate, pattern in ROWS)

BEGIN TRANSACTION;
CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    posted INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    credit_line INTEGER NOT NULL DEFAULT 0,
    unfinished INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL, webhook_secret_version INTEGER NOT NULL DEFAULT 1, webhook_secret_rotated INTEGER, file_count INTEGER NOT NULL DEFAULT 0 CHECK (file_count >= 0),
    CHECK (held >= 0 AND credit_line >= 0 AND unfinished >= 0 AND posted - held + credit_line >= 0)
) STRICT;
INSERT INTO "accounts" VALUES('acc_01m8mr3fxe72111pj380m0jb5e','demo',147058823529,0,0,0,1795992698798449,1,NULL,0);
INSERT INTO "accounts" VALUES('acc_01m8mr3k4mb2nb0rw3qxwp5xt8','shop',7347613176,5890500,0,1,1795992702101825,1,NULL,1);
CREATE TABLE answers (
    task_id TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created INTEGER NOT NULL,
    owner TEXT NOT NULL,
    live_until INTEGER NOT NULL,
    joins INTEGER NOT NULL DEFAULT 0,
    joined INTEGER NOT NULL DEFAULT 0,
    ended INTEGER,
    delivered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    models TEXT,
    cap INTEGER,
    spent INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    daily_cap INTEGER,
    day INTEGER NOT NULL DEFAULT 0,
    day_spent INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    expires INTEGER,
    disabled INTEGER, ips TEXT, deleted INTEGER, rate_per_minute INTEGER CHECK (rate_per_minute > 0), concurrent_tasks INTEGER CHECK (concurrent_tasks > 0), in_flight_cap INTEGER CHECK (in_flight_cap >= 0), made_by TEXT REFERENCES api_keys (id),
    CHECK (held >= 0 AND spent >= 0 AND day_spent >= 0)
) STRICT;
INSERT INTO "api_keys" VALUES('key_01m8mr3fxtbj8dawrp8maytqsf','acc_01m8mr3fxe72111pj380m0jb5e','demo','c038cf0880a0f57415d75df9ef27bf3c1364c8e2c9fccfbf84dd077b4a32372b','imk_live_Wg75…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,0,0,NULL,0,0,1795992698810592,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8mr3k4zrbx7yj9n8md5jera','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key','a616b3955e5c1e5ea690e8017b9b4c16e482be38b3f3b49c1d68935f20b789ed','imk_live_oAao…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,5328000,5890500,NULL,20786,11218500,1795992702112298,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE assets (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    task_id TEXT REFERENCES tasks (id),
    kind TEXT NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    deleted INTEGER,
    commit_id TEXT
, thumbnail_due INTEGER, thumbnail_tries INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "assets" VALUES('ast_01m8mr3n2z019bxp5szzhggx9z','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','task-unified-1795992702-2m1y9eod','result',0,'t/acc_01m8mr3k4mb2nb0rw3qxwp5xt8/2026/11/29/att_01m8mr3kzaa9b2ckey1gmhdtjb-0.png','image/png',1357284,1024,1024,'4252845bd7fc418faaf8990c0c46f6111c379f6545febe8f7e22605ae9619bd2',1795992704121974,1796079104000000,NULL,'cmt_01m8mr3n3r95b17e53cpkk2d4z',1795992704121974,0);
INSERT INTO "assets" VALUES('ast_01m8mr3p7bqr8zndqx43gk0508','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','task-unified-1795992704-2lw7iphw','result',0,'t/acc_01m8mr3k4mb2nb0rw3qxwp5xt8/2026/11/29/att_01m8mr3nnm01jer6kc84h1pb36-0.png','image/png',1351708,1024,1024,'d50f4f7fd1a8e9006ee0452013377f3020c87b19ffce3204efc2fa5801a17151',1795992705265119,1796079105000000,NULL,'cmt_01m8mr3p7g05k5tcqkv9a8hvzg',1795992705265119,0);
INSERT INTO "assets" VALUES('ast_01m8mr3rkqvmwc94qj7w9s69c5','acc_01m8mr3k4mb2nb0rw3qxwp5xt8',NULL,'upload',0,'t/acc_01m8mr3k4mb2nb0rw3qxwp5xt8/2026/11/29/ast_01m8mr3rkqvmwc94qj7w9s69c5.png','image/png',1357284,0,0,'4252845bd7fc418faaf8990c0c46f6111c379f6545febe8f7e22605ae9619bd2',1795992707710305,1796251907000000,NULL,NULL,NULL,0);
CREATE TABLE attempts (
    id TEXT NOT NULL PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES tasks (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    claim_no INTEGER NOT NULL,
    route TEXT NOT NULL,
    owner TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    detail TEXT
, upstream TEXT NOT NULL DEFAULT '', images INTEGER NOT NULL DEFAULT 1, cost INTEGER NOT NULL DEFAULT 0, ref TEXT NOT NULL DEFAULT '', request_id TEXT NOT NULL DEFAULT '', considered TEXT NOT NULL DEFAULT '', failure_kind TEXT NOT NULL DEFAULT '', duplicate INTEGER NOT NULL DEFAULT 0, spool TEXT, spooled INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "attempts" VALUES('att_01m8mr3kzaa9b2ckey1gmhdtjb','task-unified-1795992702-2m1y9eod','acc_01m8mr3k4mb2nb0rw3qxwp5xt8',1,'gpt-image-2@embedded','boot_42067d7f1c175f7b','produced',1795992702954740,1795992704121974,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
INSERT INTO "attempts" VALUES('att_01m8mr3nnm01jer6kc84h1pb36','task-unified-1795992704-2lw7iphw','acc_01m8mr3k4mb2nb0rw3qxwp5xt8',1,'gpt-image-2@embedded','boot_42067d7f1c175f7b','produced',1795992704692827,1795992705265119,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    created INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    target TEXT NOT NULL,
    before TEXT,
    after TEXT,
    times INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO "audit" VALUES('aud_01m8mr3fxejehe2d36ndn359zf',1795992698798449,'account.create','first start','program','','','acc_01m8mr3fxe72111pj380m0jb5e','acc_01m8mr3fxe72111pj380m0jb5e',NULL,'{"name": "demo"}',1);
INSERT INTO "audit" VALUES('aud_01m8mr3fxn272k59gg0fdsk0rr',1795992698805558,'credits.grant','first start','program','','','acc_01m8mr3fxe72111pj380m0jb5e','acc_01m8mr3fxe72111pj380m0jb5e','{"posted": 0}','{"posted": 147058823529, "amount": 147058823529}',1);
INSERT INTO "audit" VALUES('aud_01m8mr3fxt499dw7wh2pjecaqs',1795992698810592,'key.create','first start','program','','','acc_01m8mr3fxe72111pj380m0jb5e','key_01m8mr3fxtbj8dawrp8maytqsf',NULL,'{"name": "demo", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8mr3k4nne9j7vj5etcrkwkk',1795992702101825,'account.create','command line','command line','ops@host','','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','acc_01m8mr3k4mb2nb0rw3qxwp5xt8',NULL,'{"name": "shop"}',1);
INSERT INTO "audit" VALUES('aud_01m8mr3k4rby2pvd9ezehqqjc1',1795992702104197,'credits.grant','command line','command line','ops@host','','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','{"posted": 0}','{"posted": 7352941176, "amount": 7352941176}',1);
INSERT INTO "audit" VALUES('aud_01m8mr3k50h66r22qyydxfzw6y',1795992702112298,'key.create','command line','command line','ops@host','','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera',NULL,'{"name": "key", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8mr3rcx6phzzpt854pyktrd',1795992707485958,'credits.refund','command line','command line','ops@host','','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','task-unified-1795992704-2lw7iphw',NULL,'{"refund": "rfd_01m8mr3rcw1xkwdr7nv6rcjtgc", "amount": 5328000, "reason": "a wrong fox"}',1);
CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    task_id TEXT UNIQUE REFERENCES tasks (id),
    url TEXT NOT NULL,
    host TEXT NOT NULL REFERENCES "webhook_hosts" (host),
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'exhausted')),
    reason TEXT,
    round INTEGER NOT NULL DEFAULT 0,
    round_attempts INTEGER NOT NULL DEFAULT 0,
    number INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    created INTEGER NOT NULL,
    closed INTEGER,
    commit_id TEXT NOT NULL,
    CHECK ((state = 'waiting') = (closed IS NULL))
) STRICT;
CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id),
    number INTEGER NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    round INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    duration_ms INTEGER,
    status INTEGER,
    error TEXT,
    retry_after TEXT,
    excerpt TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;
CREATE TABLE entries (
    id TEXT NOT NULL PRIMARY KEY,
    ref TEXT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    task_id TEXT,
    actor TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    created INTEGER NOT NULL, model TEXT, key_id TEXT, price_version TEXT, images INTEGER,
    UNIQUE (ref, account)
) STRICT;
INSERT INTO "entries" VALUES('led_01m8mr3fxnjsh53cvmqm9822zk','grant:demo','acc_01m8mr3fxe72111pj380m0jb5e','grant',147058823529,NULL,'first start','cmt_01m8mr3fxnpt4zhwpspay7veh5',1795992698805558,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mr3fxn8k6c86c70n5ej5qg','grant:demo','sys:bank','grant',-147058823529,NULL,'first start','cmt_01m8mr3fxnpt4zhwpspay7veh5',1795992698805558,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mr3k4rekh8czxr26xm6e0f','grant:grant_01m8mr3k4qrme215wrpea3xx6b','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','grant',7352941176,NULL,'command line','cmt_01m8mr3k4ragcwgrz7ncnn84mm',1795992702104197,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mr3k4rpywfzv9r759q0bh6','grant:grant_01m8mr3k4qrme215wrpea3xx6b','sys:bank','grant',-7352941176,NULL,'command line','cmt_01m8mr3k4ragcwgrz7ncnn84mm',1795992702104197,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mr3n3sm58dqvsaps1m3pdt','settle:task-unified-1795992702-2m1y9eod','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','charge',-5328000,'task-unified-1795992702-2m1y9eod','settle','cmt_01m8mr3n3r95b17e53cpkk2d4z',1795992704121974,'gpt-image-2','key_01m8mr3k4zrbx7yj9n8md5jera','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mr3n3sgc408ngcasw6f5xg','settle:task-unified-1795992702-2m1y9eod','sys:revenue','charge',5328000,'task-unified-1795992702-2m1y9eod','settle','cmt_01m8mr3n3r95b17e53cpkk2d4z',1795992704121974,'gpt-image-2','key_01m8mr3k4zrbx7yj9n8md5jera','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mr3p7h2sbhrwq7x1v87v0v','settle:task-unified-1795992704-2lw7iphw','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','charge',-5328000,'task-unified-1795992704-2lw7iphw','settle','cmt_01m8mr3p7g05k5tcqkv9a8hvzg',1795992705265119,'gpt-image-2','key_01m8mr3k4zrbx7yj9n8md5jera','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mr3p7hrjrhmz31yrgjr6my','settle:task-unified-1795992704-2lw7iphw','sys:revenue','charge',5328000,'task-unified-1795992704-2lw7iphw','settle','cmt_01m8mr3p7g05k5tcqkv9a8hvzg',1795992705265119,'gpt-image-2','key_01m8mr3k4zrbx7yj9n8md5jera','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mr3rcxs8hhvbpmjxxq24pa','refund:task-unified-1795992704-2lw7iphw','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','refund',5328000,'task-unified-1795992704-2lw7iphw','command line','cmt_01m8mr3rcwz6fbpmnm4d7w6brd',1795992707485958,'gpt-image-2','key_01m8mr3k4zrbx7yj9n8md5jera','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mr3rcxkhm9sg3ymh128c2z','refund:task-unified-1795992704-2lw7iphw','sys:revenue','refund',-5328000,'task-unified-1795992704-2lw7iphw','command line','cmt_01m8mr3rcwz6fbpmnm4d7w6brd',1795992707485958,'gpt-image-2','key_01m8mr3k4zrbx7yj9n8md5jera','2026-11-01.1',1);
CREATE TABLE "fetch_budgets" (
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    hour INTEGER NOT NULL,
    fetched_bytes INTEGER NOT NULL CHECK (fetched_bytes >= 0),
    reserved_bytes INTEGER NOT NULL CHECK (reserved_bytes >= 0)
) STRICT;
CREATE TABLE files (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    asset_id TEXT NOT NULL UNIQUE REFERENCES assets (id),
    secret TEXT NOT NULL UNIQUE,
    file_name TEXT NOT NULL,
    original_name TEXT NOT NULL,
    given_name TEXT,
    upload_path TEXT NOT NULL,
    counted INTEGER NOT NULL DEFAULT 1 CHECK (counted IN (0, 1)),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    removed INTEGER
) STRICT;
INSERT INTO "files" VALUES('file_640167081533c51e2c855fe38f5a3ebb','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','ast_01m8mr3rkqvmwc94qj7w9s69c5','cc858415922bcaa82bc1fe7be6ee3405','f1.png','f1.png',NULL,'images',1,1795992707710305,1796251907000000,NULL);
CREATE TABLE holds (
    task_id TEXT NOT NULL PRIMARY KEY REFERENCES tasks (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    day INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'released')),
    charge INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    closed INTEGER,
    CHECK (charge >= 0 AND charge <= amount AND (state = 'settled' OR charge = 0))
) STRICT;
INSERT INTO "holds" VALUES('task-unified-1795992702-2m1y9eod','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera',5899500,20786,'settled',5328000,1795992702949557,1795992704121974);
INSERT INTO "holds" VALUES('task-unified-1795992704-2lw7iphw','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera',5899500,20786,'settled',5328000,1795992704683988,1795992705265119);
INSERT INTO "holds" VALUES('task-unified-1795992713-uhx58qp4','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera',5890500,20786,'open',0,1795992713757348,NULL);
CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task_id TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, key)
) STRICT;
INSERT INTO "idempotency" VALUES('acc_01m8mr3k4mb2nb0rw3qxwp5xt8','POST /v1/images/generations','f9d64f6352c04f8594b85ba96b684d41','e4e73bcbea18e0436ecca9871acc5e10017d665928376b3f2148d6207b863d70','task-unified-1795992702-2m1y9eod',1796165502950827);
INSERT INTO "idempotency" VALUES('acc_01m8mr3k4mb2nb0rw3qxwp5xt8','POST /v1/images/generations','0a4bc0c0e81e4664b67a603936a97015','46020bfe6cb4615d6326c1df9078e4230e9251fc59e747a79dd82f3d088576c2','task-unified-1795992704-2lw7iphw',1796165504685407);
CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "installation" VALUES('blobs_folder','fld_1475298bcafeb57a',1795992698749777);
INSERT INTO "installation" VALUES('spool:fld_655c08516f95f4eb','',1795992698760017);
INSERT INTO "installation" VALUES('secret_check','3c879b157b53398e0ffaf427f9c40a3d6cf4f5ba3edb77e953176ae9562ab21d',1795992698782746);
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL, oldest_program TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "migrations" VALUES('0001_begin.sql','c9a701d8bfd8ad6f092ffb5510bf6e712e5606558c8446d5c66177aa82c987b9',1795992698603455,'');
INSERT INTO "migrations" VALUES('0002_deliveries.sql','ba48ed06775665b3f1e52f0ff879044b8c564a277e770394a4bfebe7a0f0cafa',1795992698606487,'');
INSERT INTO "migrations" VALUES('0003_files.sql','fa8ed423a094aaadd9819e6fe0035c9df0fd56ee9f78a056757f7e48bd7c96af',1795992698607438,'');
INSERT INTO "migrations" VALUES('0004_keys.sql','53b9c7bb8937fc53256f02025fb227093a027112043742fc51c7414333eba9a5',1795992698608639,'');
INSERT INTO "migrations" VALUES('0005_limits.sql','86a01faff0da16aad21dee6b6a37def9a6800e4b9320343a81d850f9b74be1a6',1795992698614863,'');
INSERT INTO "migrations" VALUES('0006_thumbnails.sql','9749d52d1476f16b3062634b66149f2de289cb834e04b93742af2c8402565d1c',1795992698615552,'');
INSERT INTO "migrations" VALUES('0007_history.sql','039f2e3c99dabe123fb3c46cd4f43faadabf2d10fac36421721afe8a8ceb4c96',1795992698617917,'');
INSERT INTO "migrations" VALUES('0008_fetched.sql','21d03bb65e1fa2ab9bb0a034562f226bb9ec17e0ae1b742bcbd5bbe31037285d',1795992698618104,'');
INSERT INTO "migrations" VALUES('0009_routes.sql','6fdadf9c2cc9cf37602f0b1a68566c09052da418ad54c2c81489b4be1981286f',1795992698625794,'');
INSERT INTO "migrations" VALUES('0010_refunds.sql','8ee63d598d4e875ae7e8f5dd8f341db203c5b58043fd44538794a3b40be9fa69',1795992698626066,'');
INSERT INTO "migrations" VALUES('0011_sessions.sql','153c72865b3cac752f5da4d7f3f7796b259a36a6318845af976b28599f81764d',1795992698626373,'');
INSERT INTO "migrations" VALUES('0012_names.sql','6763396022b3e70b6e8eed48809f26816fa5425da1af5d71d674b3ade95b949c',1795992698684457,'');
INSERT INTO "migrations" VALUES('0013_waiting.sql','b08facdd97923339c70243aedba8062ea20b55fcbf655dd50928526650c2e145',1795992698686823,'');
INSERT INTO "migrations" VALUES('0014_webhook_bounds.sql','b67cfb3e8b2cdc2a3de40ca9b195ce290e60b2142424618e8b7e02ff3098d028',1795992698687003,'');
INSERT INTO "migrations" VALUES('0015_audit.sql','ae8272b3495a4cc643e53ac1fb86ebf9ea9dfb28d9c5bac50f62beb68dbe2ddb',1795992698688089,'');
INSERT INTO "migrations" VALUES('0016_installation.sql','c6c93d5b396bd4710f0fd6c81f78e64fbf133c7f0b81c2c41f15efacce107d8b',1795992698688914,'0.2.0');
INSERT INTO "migrations" VALUES('0017_totals.sql','9a8983bd4dc1650dfae58eae865985dd7dfd1cc662cd234840b2b28e0aa79099',1795992698689190,'0.2.0');
INSERT INTO "migrations" VALUES('0019_waiting_steps.sql','4639ddb878f734a41ad11d5bd019ab39b1a146eadb8e90b2354b9e36798afa43',1795992698690723,'0.2.0');
INSERT INTO "migrations" VALUES('0020_thumbnails_later.sql','13921129dd6b8b8236533b3dd3fc14ae6cc27515329566f5bf1bc3286f31a85a',1795992698692577,'0.2.0');
INSERT INTO "migrations" VALUES('0021_answers.sql','1ac69b7ca9a872186e79c936bf46a7b39ba87e95291ae23dd4ebd249316ea6b8',1795992698692965,'0.2.0');
INSERT INTO "migrations" VALUES('0022_spools.sql','ddf240e5e5a6252d2b92b33f7ec1bf6425712a0e34e17ec111324fe68b6cf013',1795992698695377,'0.3.0');
CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "prices" VALUES('2026-11-01.1','523814ab7043bbac153879626a358b5fd9b7405cabb19c6ed9f714dcf9a6d821','{"effective_from":1793491200,"price":[{"model":"gpt-image-2","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2-beta","per_image_nanos":{"1K":15000000,"2K":25500000,"4K":39000000}},{"model":"gpt-image-1.5","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.0288","text_cached_input":"0.001125","text_input":"0.0045","text_output":"0.009"}},{"model":"gpt-image-1.5-lite","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1.5-beta","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1","per_1k_tokens":{"image_cached_input":"0.00225","image_input":"0.009","image_output":"0.036","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-4o-image","per_image_nanos":{"any":15000000}},{"model":"gpt-image-2.5-flare","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2.5-sunburst","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}}],"version":"2026-11-01.1"}',1795992698788180);
CREATE TABLE "rate_buckets" (
    bucket TEXT NOT NULL PRIMARY KEY,
    full_at INTEGER NOT NULL
) STRICT;
CREATE TABLE refunds (
    task_id TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    amount INTEGER NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    commit_id TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "refunds" VALUES('task-unified-1795992704-2lw7iphw','rfd_01m8mr3rcw1xkwdr7nv6rcjtgc','acc_01m8mr3k4mb2nb0rw3qxwp5xt8',5328000,'a wrong fox','command line','rfd_01m8mr3rcw1xkwdr7nv6rcjtgc','cmt_01m8mr3rcwz6fbpmnm4d7w6brd',1795992707485958);
CREATE TABLE "route_health" (
    scope TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    full_at INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "route_health" VALUES('embedded','{"since":1795992704121974,"calls":2,"done":1795992705265119}',0);
INSERT INTO "route_health" VALUES('gpt-image-2@embedded','{"since":1795992704121974,"calls":2,"done":1795992705265119}',0);
CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE TABLE "task_steps" (
    task_id TEXT NOT NULL REFERENCES tasks (id),
    seq INTEGER NOT NULL,
    claim_no INTEGER NOT NULL,
    state TEXT NOT NULL,
    progress INTEGER NOT NULL,
    at INTEGER NOT NULL, sent INTEGER, waiting_reason TEXT, waiting_until INTEGER,
    PRIMARY KEY (task_id, seq)
) STRICT;
INSERT INTO "task_steps" VALUES('task-unified-1795992702-2m1y9eod',1,0,'queued',0,1795992702949557,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992702-2m1y9eod',2,1,'running',0,1795992702954206,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992702-2m1y9eod',3,1,'running',95,1795992703985032,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992702-2m1y9eod',4,1,'completed',100,1795992704121974,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992704-2lw7iphw',1,0,'queued',0,1795992704683988,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992704-2lw7iphw',2,1,'running',0,1795992704692153,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992704-2lw7iphw',3,1,'running',95,1795992705252732,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992704-2lw7iphw',4,1,'completed',100,1795992705265119,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795992713-uhx58qp4',1,0,'queued',0,1795992713757348,0,NULL,NULL);
CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'finalizing', 'completed', 'failed')),
    claim_no INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 1,
    progress INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    model TEXT NOT NULL,
    order_body TEXT NOT NULL,
    billing_rule TEXT NOT NULL,
    price_version TEXT NOT NULL REFERENCES prices (version),
    hold INTEGER NOT NULL,
    due INTEGER NOT NULL,
    created INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    owner TEXT,
    lease_until INTEGER,
    charge INTEGER,
    usage_body TEXT,
    usage_source TEXT,
    engine TEXT,
    results TEXT,
    error TEXT,
    results_expire INTEGER,
    commit_id TEXT
, callback_url TEXT, first_sent INTEGER, cancel_requested INTEGER, thumbnail_expires INTEGER, waiting_for_slot INTEGER NOT NULL DEFAULT 0 CHECK (waiting_for_slot IN (0, 1)), waiting_since INTEGER, waiting_reason TEXT, spool_wait INTEGER) STRICT;
INSERT INTO "tasks" VALUES('task-unified-1795992702-2m1y9eod','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"A fox 1","size":{"requested":"1:1","width":1024,"height":1024,"assumed":false,"resolution":"1K"},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5899500,1795992702950827,1795992702949557,1795996302949557,1795992702954206,1795992704121974,NULL,NULL,5328000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":1024,"bytes":1357284,"quality":"low","thumbnail":true}]',NULL,1796079104000000,'cmt_01m8mr3n3r95b17e53cpkk2d4z',NULL,1795992702954206,NULL,1798584704000000,0,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795992704-2lw7iphw','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"A fox 2","size":{"requested":"1:1","width":1024,"height":1024,"assumed":false,"resolution":"1K"},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5899500,1795992704685407,1795992704683988,1795996304683988,1795992704692153,1795992705265119,NULL,NULL,5328000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":1024,"bytes":1351708,"quality":"low","thumbnail":true}]',NULL,1796079105000000,'cmt_01m8mr3p7g05k5tcqkv9a8hvzg',NULL,1795992704692153,NULL,1798584705000000,0,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795992713-uhx58qp4','acc_01m8mr3k4mb2nb0rw3qxwp5xt8','key_01m8mr3k4zrbx7yj9n8md5jera','queued',0,0,1,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"waits","size":{"requested":"1:1","width":1024,"height":1024,"assumed":false,"resolution":"1K"},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5890500,1795992713758430,1795992713757348,1795996313757348,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE "webhook_hosts" (
    host TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    suspended INTEGER
) STRICT;
CREATE INDEX accounts_with_work ON accounts (id) WHERE unfinished > 0;
CREATE INDEX api_keys_account ON api_keys (account_id);
CREATE INDEX entries_account ON entries (account, created, id);
CREATE INDEX tasks_newest ON tasks (account_id, created, id);
CREATE INDEX tasks_old ON tasks (ended) WHERE state IN ('completed', 'failed');
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'open';
CREATE INDEX attempts_task ON attempts (task_id);
CREATE INDEX assets_task ON assets (task_id, kind, position);
CREATE INDEX idempotency_expiring ON idempotency (expires);
CREATE INDEX deliveries_due ON deliveries (host, due) WHERE state = 'waiting' AND owner IS NULL;
CREATE INDEX deliveries_leased ON deliveries (host, lease_until) WHERE owner IS NOT NULL;
CREATE INDEX deliveries_newest ON deliveries (account_id, created, id);
CREATE INDEX files_counted ON files (account_id, expires) WHERE counted = 1;
CREATE UNIQUE INDEX files_given ON files (account_id, upload_path, given_name) WHERE counted = 1;
CREATE INDEX files_newest ON files (account_id, created, id);
CREATE INDEX holds_created ON holds (account_id, created, task_id);
CREATE INDEX holds_closed ON holds (account_id, closed, task_id);
CREATE INDEX idempotency_task ON idempotency (task_id);
CREATE INDEX files_old ON files (expires);
CREATE INDEX deliveries_alone ON deliveries (closed) WHERE task_id IS NULL;
CREATE INDEX attempts_sending ON attempts (upstream) WHERE outcome = 'sending';
CREATE INDEX attempts_ended ON attempts (ended) WHERE ended IS NOT NULL;
CREATE INDEX attempts_duplicate ON attempts (ended) WHERE duplicate = 1;
CREATE INDEX sessions_of_key ON sessions (account_id, key_id);
CREATE INDEX sessions_ended ON sessions (last_used);
CREATE INDEX tasks_due ON tasks (account_id, due) WHERE state = 'queued' AND waiting_for_slot = 0;
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_deadline ON tasks (deadline) WHERE state IN ('queued', 'running');
CREATE INDEX tasks_of_key ON tasks (key_id, waiting_for_slot, due) WHERE state IN ('queued', 'running');
CREATE INDEX api_keys_with_slots ON api_keys (account_id) WHERE concurrent_tasks IS NOT NULL;
CREATE INDEX tasks_waiting ON tasks (due) WHERE state = 'queued' AND waiting_since IS NOT NULL;
CREATE INDEX deliveries_under_way ON deliveries (account_id) WHERE owner IS NOT NULL;
CREATE INDEX audit_created ON audit (created, id);
CREATE INDEX api_keys_made_by ON api_keys (made_by) WHERE made_by IS NOT NULL;
CREATE INDEX entries_used ON entries (account, kind, amount) WHERE kind IN ('charge', 'refund');
CREATE INDEX tasks_ended_state ON tasks (state) WHERE state IN ('completed', 'failed');
CREATE INDEX assets_expiring ON assets (expires) WHERE deleted IS NULL AND thumbnail_due IS NULL;
CREATE INDEX assets_without_thumbnail ON assets (expires) WHERE thumbnail_due IS NOT NULL;
CREATE INDEX answers_of_request ON answers (key_id, fingerprint, delivered, created);
CREATE INDEX answers_by_age ON answers (created);
COMMIT;

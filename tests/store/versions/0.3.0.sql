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
INSERT INTO "accounts" VALUES('acc_01m8m94gezcdsv50yj6f66yp7j','shop',7344161676,3505500,0,1,1795977003489255,1,NULL,1);
INSERT INTO "accounts" VALUES('acc_01m8m94q517e79pdhpnbat91jk','demo',147058823529,0,0,0,1795977010338352,1,NULL,0);
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
INSERT INTO "answers" VALUES('task-unified-1795977014-7b1crj43','key_01m8m94ggv11vye57esq891e09','e08da4f88714b8f350089f58b2c380b14fcdbe03f3319e4648079a91686fda2b',1795977014461547,'boot_7d31327367565b9e',0,0,0,1795977015443259,1);
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
INSERT INTO "api_keys" VALUES('key_01m8m94ggv11vye57esq891e09','acc_01m8m94gezcdsv50yj6f66yp7j','key','5baba45170072f79805c43416447bae7e175977a06ce6bc0af428e1c366f27c9','imk_live_iRDv…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,8779500,3505500,NULL,20786,12285000,1795977003547492,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8m94q5cmhatp1afvdxzcn18','acc_01m8m94q517e79pdhpnbat91jk','demo','d307675689859a009e7d149d78b90ced7e80b8a9218b4a086e7ae1b2bfc142ad','imk_live_07pz…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,0,0,NULL,0,0,1795977010348407,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "assets" VALUES('ast_01m8m94tbardmd1cp8y02g8hd0','acc_01m8m94gezcdsv50yj6f66yp7j','task-unified-1795977011-nvcw4yym','result',0,'t/acc_01m8m94gezcdsv50yj6f66yp7j/2026/11/29/att_01m8m94rmbgegaw0cmmngbepb2-0.png','image/png',912798,1024,640,'6f7574b21f8a2b7760503d09cfed500536cf60aab8580ca6f66a87f8214f999f',1795977013610476,1796063413000000,NULL,'cmt_01m8m94tbawba291wfqw2wjm3d',1795977013610476,0);
INSERT INTO "assets" VALUES('ast_01m8m94tys1s48hhzm3y30yjnv','acc_01m8m94gezcdsv50yj6f66yp7j','task-unified-1795977013-rt7zkzuw','result',0,'t/acc_01m8m94gezcdsv50yj6f66yp7j/2026/11/29/att_01m8m94tbt9ta6tx8y8tf1m02r-0.png','image/png',912798,1024,640,'6f7574b21f8a2b7760503d09cfed500536cf60aab8580ca6f66a87f8214f999f',1795977014234152,1796063414000000,NULL,'cmt_01m8m94tyt6z6c5vr9741b2qxw',1795977014234152,0);
INSERT INTO "assets" VALUES('ast_01m8m94v5ajzkm2v2qhpht7ecw','acc_01m8m94gezcdsv50yj6f66yp7j',NULL,'upload',0,'t/acc_01m8m94gezcdsv50yj6f66yp7j/2026/11/29/ast_01m8m94v5ajzkm2v2qhpht7ecw.png','image/png',262813,0,0,'6b836c5a770552a688e4bcfd7bd5f9d9a873a742f5f735116fc3f4fafd459309',1795977014455267,1796236214000000,NULL,NULL,NULL,0);
INSERT INTO "assets" VALUES('ast_01m8m94w1cvw3nym7rj8k5p224','acc_01m8m94gezcdsv50yj6f66yp7j','task-unified-1795977014-7b1crj43','result',0,'t/acc_01m8m94gezcdsv50yj6f66yp7j/2026/11/29/att_01m8m94v63sgm99zx6vyw44nmz-0.png','image/png',879753,1024,640,'eb1bfdf216960faa669340a57de433eb64360b893fb01b33defd30e948930ad2',1795977015340623,1796063415000000,NULL,'cmt_01m8m94w1caahmpb902925nf0v',1795977015340623,0);
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
, upstream TEXT NOT NULL DEFAULT '', images INTEGER NOT NULL DEFAULT 1, cost INTEGER NOT NULL DEFAULT 0, ref TEXT NOT NULL DEFAULT '', request_id TEXT NOT NULL DEFAULT '', considered TEXT NOT NULL DEFAULT '', failure_kind TEXT NOT NULL DEFAULT '', duplicate INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "attempts" VALUES('att_01m8m94rmbgegaw0cmmngbepb2','task-unified-1795977011-nvcw4yym','acc_01m8m94gezcdsv50yj6f66yp7j',1,'gpt-image-2@embedded','boot_7d31327367565b9e','produced',1795977011851101,1795977013610476,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
INSERT INTO "attempts" VALUES('att_01m8m94tbt9ta6tx8y8tf1m02r','task-unified-1795977013-rt7zkzuw','acc_01m8m94gezcdsv50yj6f66yp7j',1,'gpt-image-2@embedded','boot_7d31327367565b9e','produced',1795977013626982,1795977014234152,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
INSERT INTO "attempts" VALUES('att_01m8m94v63sgm99zx6vyw44nmz','task-unified-1795977014-7b1crj43','acc_01m8m94gezcdsv50yj6f66yp7j',1,'gpt-image-2@embedded','boot_7d31327367565b9e','produced',1795977014467717,1795977015340623,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
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
INSERT INTO "audit" VALUES('aud_01m8m94gf14k9rnnqkc6n7j37y',1795977003489255,'account.create','command line','command line','operator@host','','acc_01m8m94gezcdsv50yj6f66yp7j','acc_01m8m94gezcdsv50yj6f66yp7j',NULL,'{"name": "shop"}',1);
INSERT INTO "audit" VALUES('aud_01m8m94gfj9m7khqxaex0fg1q2',1795977003506893,'credits.grant','command line','command line','operator@host','','acc_01m8m94gezcdsv50yj6f66yp7j','acc_01m8m94gezcdsv50yj6f66yp7j','{"posted": 0}','{"posted": 7352941176, "amount": 7352941176}',1);
INSERT INTO "audit" VALUES('aud_01m8m94ggvh1smknqc4jazz2pq',1795977003547492,'key.create','command line','command line','operator@host','','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09',NULL,'{"name": "key", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8m94q52eqkjwszn7e6jn7ek',1795977010338352,'account.create','first start','program','','','acc_01m8m94q517e79pdhpnbat91jk','acc_01m8m94q517e79pdhpnbat91jk',NULL,'{"name": "demo"}',1);
INSERT INTO "audit" VALUES('aud_01m8m94q58t6yc1xh9yytvgwz7',1795977010344019,'credits.grant','first start','program','','','acc_01m8m94q517e79pdhpnbat91jk','acc_01m8m94q517e79pdhpnbat91jk','{"posted": 0}','{"posted": 147058823529, "amount": 147058823529}',1);
INSERT INTO "audit" VALUES('aud_01m8m94q5cy5r7zvqxsjyytjxm',1795977010348407,'key.create','first start','program','','','acc_01m8m94q517e79pdhpnbat91jk','key_01m8m94q5cmhatp1afvdxzcn18',NULL,'{"name": "demo", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
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
INSERT INTO "deliveries" VALUES('evt_task-unified-1795977013-rt7zkzuw','acc_01m8m94gezcdsv50yj6f66yp7j','task-unified-1795977013-rt7zkzuw','https://hook.example/x','hook.example','{"created":1795977013,"id":"task-unified-1795977013-rt7zkzuw","model":"gpt-image-2","object":"image.generation.task","progress":100,"results":["http://127.0.0.1:40287/files/results/task-unified-1795977013-rt7zkzuw/0.png?exp=1796063414&sig=k1.f9YJlR44scNsoi4oHFeSDWoduPJB9gFd9EfAyijgYxk"],"status":"completed","task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token","credits_reserved":0.238374,"credits_used":0.199206,"cost":{"credits":0.199206,"usd":0.0029295},"tokens":{"text_input":9,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107},"source":"formula","price_version":"2026-11-01.1","user_group":"default"},"billing":{"refund_scope":"account_balance","charge_status":"charged","refund_status":"not_required","reserved_credits":0.238374,"charged_credits":0.199206,"refunded_credits":0,"refunded_at":null},"duration":0.612,"results_expire_at":1796063414,"engine":"embedded","notice":"procedural preview, not a neural model"}','waiting',NULL,0,3,3,1795977026297818,NULL,NULL,1795977014234152,NULL,'cmt_01m8m94tyt6z6c5vr9741b2qxw');
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
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1795977013-rt7zkzuw',1,'acc_01m8m94gezcdsv50yj6f66yp7j',0,1795977014234152,1795977014240407,1795977014421269,174,NULL,'dns',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1795977013-rt7zkzuw',2,'acc_01m8m94gezcdsv50yj6f66yp7j',0,1795977015421269,1795977015433960,1795977015436652,2,NULL,'dns',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1795977013-rt7zkzuw',3,'acc_01m8m94gezcdsv50yj6f66yp7j',0,1795977017436652,1795977022252728,1795977022297818,41,NULL,'dns',NULL,'');
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
INSERT INTO "entries" VALUES('led_01m8m94gfjzd049scqfaca6vsx','grant:grant_01m8m94gfj8zez82npa97j06d8','acc_01m8m94gezcdsv50yj6f66yp7j','grant',7352941176,NULL,'command line','cmt_01m8m94gfj2jttcnxy48j2ctsn',1795977003506893,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8m94gfj6r7x61c5jfdvq7ej','grant:grant_01m8m94gfj8zez82npa97j06d8','sys:bank','grant',-7352941176,NULL,'command line','cmt_01m8m94gfj2jttcnxy48j2ctsn',1795977003506893,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8m94q58eq9ahng9f12sbyab','grant:demo','acc_01m8m94q517e79pdhpnbat91jk','grant',147058823529,NULL,'first start','cmt_01m8m94q581kj9t9j213qfxfck',1795977010344019,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8m94q58wh67fsw2qkkn67fv','grant:demo','sys:bank','grant',-147058823529,NULL,'first start','cmt_01m8m94q581kj9t9j213qfxfck',1795977010344019,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8m94tbagz0affp209kq2dec','settle:task-unified-1795977011-nvcw4yym','acc_01m8m94gezcdsv50yj6f66yp7j','charge',-2929500,'task-unified-1795977011-nvcw4yym','settle','cmt_01m8m94tbawba291wfqw2wjm3d',1795977013610476,'gpt-image-2','key_01m8m94ggv11vye57esq891e09','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8m94tba11ke504za7rw3xk3','settle:task-unified-1795977011-nvcw4yym','sys:revenue','charge',2929500,'task-unified-1795977011-nvcw4yym','settle','cmt_01m8m94tbawba291wfqw2wjm3d',1795977013610476,'gpt-image-2','key_01m8m94ggv11vye57esq891e09','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8m94tytwqmtjq89fxc3nmgk','settle:task-unified-1795977013-rt7zkzuw','acc_01m8m94gezcdsv50yj6f66yp7j','charge',-2929500,'task-unified-1795977013-rt7zkzuw','settle','cmt_01m8m94tyt6z6c5vr9741b2qxw',1795977014234152,'gpt-image-2','key_01m8m94ggv11vye57esq891e09','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8m94tyt7j19jfaxpjvw7dsn','settle:task-unified-1795977013-rt7zkzuw','sys:revenue','charge',2929500,'task-unified-1795977013-rt7zkzuw','settle','cmt_01m8m94tyt6z6c5vr9741b2qxw',1795977014234152,'gpt-image-2','key_01m8m94ggv11vye57esq891e09','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8m94w1cdtyd9r8qz8mv6zhv','settle:task-unified-1795977014-7b1crj43','acc_01m8m94gezcdsv50yj6f66yp7j','charge',-2920500,'task-unified-1795977014-7b1crj43','settle','cmt_01m8m94w1caahmpb902925nf0v',1795977015340623,'gpt-image-2','key_01m8m94ggv11vye57esq891e09','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8m94w1cs8sf6swk251zp8fc','settle:task-unified-1795977014-7b1crj43','sys:revenue','charge',2920500,'task-unified-1795977014-7b1crj43','settle','cmt_01m8m94w1caahmpb902925nf0v',1795977015340623,'gpt-image-2','key_01m8m94ggv11vye57esq891e09','2026-11-01.1',1);
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
INSERT INTO "files" VALUES('file_56ec16462896c8ded384314c0e29616f','acc_01m8m94gezcdsv50yj6f66yp7j','ast_01m8m94v5ajzkm2v2qhpht7ecw','5e5a6232acca256fcd8f626e0f0b818a','a.png','a.png',NULL,'images',1,1795977014455267,1796236214000000,NULL);
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
INSERT INTO "holds" VALUES('task-unified-1795977011-nvcw4yym','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09',3505500,20786,'settled',2929500,1795977011839589,1795977013610476);
INSERT INTO "holds" VALUES('task-unified-1795977013-rt7zkzuw','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09',3505500,20786,'settled',2929500,1795977013621735,1795977014234152);
INSERT INTO "holds" VALUES('task-unified-1795977014-7b1crj43','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09',3487500,20786,'settled',2920500,1795977014461547,1795977015340623);
INSERT INTO "holds" VALUES('task-unified-1795977022-z71e0d1l','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09',3505500,20786,'open',0,1795977022297086,NULL);
INSERT INTO "holds" VALUES('task-unified-1795977022-1auqn7dd','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09',3505500,20786,'released',0,1795977022312299,1795977022316663);
CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task_id TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, key)
) STRICT;
CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "installation" VALUES('secret_check','9700cb4323ffdec7586d2571da9fd6552e4291d1bceb8a564af94142da0a485e',1795977003534296);
INSERT INTO "installation" VALUES('blobs_folder','fld_f3f270470b8256df',1795977010235179);
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL, oldest_program TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "migrations" VALUES('0001_begin.sql','c9a701d8bfd8ad6f092ffb5510bf6e712e5606558c8446d5c66177aa82c987b9',1795977003284600,'');
INSERT INTO "migrations" VALUES('0002_deliveries.sql','ba48ed06775665b3f1e52f0ff879044b8c564a277e770394a4bfebe7a0f0cafa',1795977003299295,'');
INSERT INTO "migrations" VALUES('0003_files.sql','fa8ed423a094aaadd9819e6fe0035c9df0fd56ee9f78a056757f7e48bd7c96af',1795977003300069,'');
INSERT INTO "migrations" VALUES('0004_keys.sql','53b9c7bb8937fc53256f02025fb227093a027112043742fc51c7414333eba9a5',1795977003304277,'');
INSERT INTO "migrations" VALUES('0005_limits.sql','86a01faff0da16aad21dee6b6a37def9a6800e4b9320343a81d850f9b74be1a6',1795977003305614,'');
INSERT INTO "migrations" VALUES('0006_thumbnails.sql','9749d52d1476f16b3062634b66149f2de289cb834e04b93742af2c8402565d1c',1795977003306220,'');
INSERT INTO "migrations" VALUES('0007_history.sql','039f2e3c99dabe123fb3c46cd4f43faadabf2d10fac36421721afe8a8ceb4c96',1795977003307950,'');
INSERT INTO "migrations" VALUES('0008_fetched.sql','21d03bb65e1fa2ab9bb0a034562f226bb9ec17e0ae1b742bcbd5bbe31037285d',1795977003308080,'');
INSERT INTO "migrations" VALUES('0009_routes.sql','6fdadf9c2cc9cf37602f0b1a68566c09052da418ad54c2c81489b4be1981286f',1795977003311706,'');
INSERT INTO "migrations" VALUES('0010_refunds.sql','8ee63d598d4e875ae7e8f5dd8f341db203c5b58043fd44538794a3b40be9fa69',1795977003311866,'');
INSERT INTO "migrations" VALUES('0011_sessions.sql','153c72865b3cac752f5da4d7f3f7796b259a36a6318845af976b28599f81764d',1795977003312048,'');
INSERT INTO "migrations" VALUES('0012_names.sql','6763396022b3e70b6e8eed48809f26816fa5425da1af5d71d674b3ade95b949c',1795977003410852,'');
INSERT INTO "migrations" VALUES('0013_waiting.sql','b08facdd97923339c70243aedba8062ea20b55fcbf655dd50928526650c2e145',1795977003412373,'');
INSERT INTO "migrations" VALUES('0014_webhook_bounds.sql','b67cfb3e8b2cdc2a3de40ca9b195ce290e60b2142424618e8b7e02ff3098d028',1795977003412474,'');
INSERT INTO "migrations" VALUES('0015_audit.sql','ae8272b3495a4cc643e53ac1fb86ebf9ea9dfb28d9c5bac50f62beb68dbe2ddb',1795977003413222,'');
INSERT INTO "migrations" VALUES('0016_installation.sql','c6c93d5b396bd4710f0fd6c81f78e64fbf133c7f0b81c2c41f15efacce107d8b',1795977003438215,'0.2.0');
INSERT INTO "migrations" VALUES('0017_totals.sql','9a8983bd4dc1650dfae58eae865985dd7dfd1cc662cd234840b2b28e0aa79099',1795977003438512,'0.2.0');
INSERT INTO "migrations" VALUES('0019_waiting_steps.sql','4639ddb878f734a41ad11d5bd019ab39b1a146eadb8e90b2354b9e36798afa43',1795977003439621,'0.2.0');
INSERT INTO "migrations" VALUES('0020_thumbnails_later.sql','13921129dd6b8b8236533b3dd3fc14ae6cc27515329566f5bf1bc3286f31a85a',1795977003440768,'0.2.0');
INSERT INTO "migrations" VALUES('0021_answers.sql','1ac69b7ca9a872186e79c936bf46a7b39ba87e95291ae23dd4ebd249316ea6b8',1795977003441031,'0.2.0');
CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "prices" VALUES('2026-11-01.1','523814ab7043bbac153879626a358b5fd9b7405cabb19c6ed9f714dcf9a6d821','{"effective_from":1793491200,"price":[{"model":"gpt-image-2","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2-beta","per_image_nanos":{"1K":15000000,"2K":25500000,"4K":39000000}},{"model":"gpt-image-1.5","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.0288","text_cached_input":"0.001125","text_input":"0.0045","text_output":"0.009"}},{"model":"gpt-image-1.5-lite","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1.5-beta","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1","per_1k_tokens":{"image_cached_input":"0.00225","image_input":"0.009","image_output":"0.036","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-4o-image","per_image_nanos":{"any":15000000}},{"model":"gpt-image-2.5-flare","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2.5-sunburst","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}}],"version":"2026-11-01.1"}',1795977010299561);
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
CREATE TABLE "route_health" (
    scope TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    full_at INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "route_health" VALUES('embedded','{"since":1795977013610476,"calls":3,"done":1795977015340623}',0);
INSERT INTO "route_health" VALUES('gpt-image-2@embedded','{"since":1795977013610476,"calls":3,"done":1795977015340623}',0);
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
INSERT INTO "task_steps" VALUES('task-unified-1795977011-nvcw4yym',1,0,'queued',0,1795977011839589,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977011-nvcw4yym',2,1,'running',0,1795977011850720,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977011-nvcw4yym',3,1,'running',95,1795977013590482,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977011-nvcw4yym',4,1,'completed',100,1795977013610476,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977013-rt7zkzuw',1,0,'queued',0,1795977013621735,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977013-rt7zkzuw',2,1,'running',0,1795977013626344,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977013-rt7zkzuw',3,1,'running',95,1795977014181654,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977013-rt7zkzuw',4,1,'completed',100,1795977014234152,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977014-7b1crj43',1,0,'queued',0,1795977014461547,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977014-7b1crj43',2,1,'running',0,1795977014467470,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977014-7b1crj43',3,1,'running',95,1795977015333654,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977014-7b1crj43',4,1,'completed',100,1795977015340623,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977022-z71e0d1l',1,0,'queued',0,1795977022297086,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977022-1auqn7dd',1,0,'queued',0,1795977022312299,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795977022-1auqn7dd',2,0,'failed',0,1795977022316663,0,NULL,NULL);
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
, callback_url TEXT, first_sent INTEGER, cancel_requested INTEGER, thumbnail_expires INTEGER, waiting_for_slot INTEGER NOT NULL DEFAULT 0 CHECK (waiting_for_slot IN (0, 1)), waiting_since INTEGER, waiting_reason TEXT) STRICT;
INSERT INTO "tasks" VALUES('task-unified-1795977011-nvcw4yym','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a red fox","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3505500,1795977011841843,1795977011839589,1795980611839589,1795977011850720,1795977013610476,NULL,NULL,2929500,'{"images":1,"text_input":9,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":640,"bytes":912798,"quality":"low","thumbnail":true}]',NULL,1796063413000000,'cmt_01m8m94tbawba291wfqw2wjm3d',NULL,1795977011850720,NULL,1798569013000000,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795977013-rt7zkzuw','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a red fox","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":"https://hook.example/x","background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3505500,1795977013623770,1795977013621735,1795980613621735,1795977013626344,1795977014234152,NULL,NULL,2929500,'{"images":1,"text_input":9,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":640,"bytes":912798,"quality":"low","thumbnail":true}]',NULL,1796063414000000,'cmt_01m8m94tyt6z6c5vr9741b2qxw','https://hook.example/x',1795977013626344,NULL,1798569014000000,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795977014-7b1crj43','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a cat","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3487500,1795977014464340,1795977014461547,1795980614461547,1795977014467470,1795977015340623,NULL,NULL,2920500,'{"images":1,"text_input":7,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":640,"bytes":879753,"quality":"low","thumbnail":true}]',NULL,1796063415000000,'cmt_01m8m94w1caahmpb902925nf0v',NULL,1795977014467470,NULL,1798569015000000,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795977022-z71e0d1l','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09','queued',0,0,1,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a red fox","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3505500,1795977022302721,1795977022297086,1795980622297086,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795977022-1auqn7dd','acc_01m8m94gezcdsv50yj6f66yp7j','key_01m8m94ggv11vye57esq891e09','failed',0,0,2,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a red fox","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3505500,1795977022316663,1795977022312299,1795980622312299,NULL,1795977022316663,NULL,NULL,0,NULL,NULL,NULL,NULL,'{"code":"request_cancelled","message":"The task was cancelled.","type":"task_error"}',NULL,'cmt_01m8m952vcgnpzgz9d0ga2ke80',NULL,NULL,1795977022316663,NULL,0,NULL,NULL);
CREATE TABLE "webhook_hosts" (
    host TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    suspended INTEGER
) STRICT;
INSERT INTO "webhook_hosts" VALUES('hook.example',3,NULL);
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

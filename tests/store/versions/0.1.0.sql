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
INSERT INTO "accounts" VALUES('acc_01m8k6drg7z6gm6c2tjxnbtnc5','demo',147058823529,0,0,0,1795940606471821,1,NULL,0);
INSERT INTO "accounts" VALUES('acc_01m8k6drpkw3ce327m3r7wnv4z','shop',7344157176,3496500,0,1,1795940606676979,1,NULL,1);
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
    disabled INTEGER, ips TEXT, deleted INTEGER, rate_per_minute INTEGER CHECK (rate_per_minute > 0), concurrent_tasks INTEGER CHECK (concurrent_tasks > 0), in_flight_cap INTEGER CHECK (in_flight_cap >= 0),
    CHECK (held >= 0 AND spent >= 0 AND day_spent >= 0)
) STRICT;
INSERT INTO "api_keys" VALUES('key_01m8k6drg9cn25a60wv38x6yd4','acc_01m8k6drg7z6gm6c2tjxnbtnc5','demo','c0b7c910c8524b067c68171efc6cae793977c7ecf34780dc5a0fd3631037da6c','imk_live_sNGt…','["images:write", "tasks:read", "files:write", "billing:read"]',NULL,NULL,0,0,NULL,0,0,1795940606474231,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8k6drprky2mrtgrsy06bgz3','acc_01m8k6drpkw3ce327m3r7wnv4z','key','3464ac332b461c1a6241c55d788847111042ef4d931fbf7f3362bd8ff4edc1dc','imk_live_LYjj…','["images:write", "tasks:read", "files:write", "billing:read"]',NULL,NULL,8784000,3496500,NULL,20786,12280500,1795940606680980,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
) STRICT;
INSERT INTO "assets" VALUES('ast_01m8k6dsgw1v2rnk9dbjpx02hq','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940606-qrmtgcgb','result',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/att_01m8k6drqn0avp2m9qkmf9qra5-0.jpg','image/jpeg',184047,1024,640,'0fe8adf08e9d3e7d907493e01e1b5da0df6f25bcbc73fc086c24527290213115',1795940607516788,1796027007000000,NULL,'cmt_01m8k6dsgw7q36s224j09y50bh');
INSERT INTO "assets" VALUES('ast_01m8k6drqb6d1gm8bpc1agxr29','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940606-qrmtgcgb','thumbnail',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/ast_01m8k6drqb6d1gm8bpc1agxr29.webp','image/webp',24232,1024,640,'c2f06aeb51d047897b87e14b03e8d50f4fa8c4552a058043923b9281c29251e4',1795940607516788,1798532607000000,NULL,'cmt_01m8k6dsgw7q36s224j09y50bh');
INSERT INTO "assets" VALUES('ast_01m8k6dt4twrm64vz325z1gz83','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940607-lnlxd6qz','result',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/att_01m8k6dshawgevsnm3y34qqx0x-0.jpg','image/jpeg',193818,1024,640,'b17b67240ef4007408045f6fff75a7d5ba77a461aaa6ef24fe3e374e05511534',1795940608154726,1796027008000000,NULL,'cmt_01m8k6dt4tfk0afb0hsq5mf0jb');
INSERT INTO "assets" VALUES('ast_01m8k6dsh639vq3374sv4c4138','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940607-lnlxd6qz','thumbnail',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/ast_01m8k6dsh639vq3374sv4c4138.webp','image/webp',31826,1024,640,'f57075af1b556fb38c8844e46e215d7d831e280ced81c4ffe15a13c2cb43b96d',1795940608154726,1798532608000000,NULL,'cmt_01m8k6dt4tfk0afb0hsq5mf0jb');
INSERT INTO "assets" VALUES('ast_01m8k6dtfjkj1s7f7t1b3ce45a','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940608-laxk4nmf','result',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/att_01m8k6dt5e05mjwbh9s06h1kv3-0.jpg','image/jpeg',186132,1024,640,'8ac732bf55f9da768da380c1ef846c68295725ea8a2129a37ccc9757e8d43aa2',1795940608498659,1796027008000000,NULL,'cmt_01m8k6dtfj3910zeb9r3pk2p7e');
INSERT INTO "assets" VALUES('ast_01m8k6dt50c43p0jedkfaxe0wh','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940608-laxk4nmf','thumbnail',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/ast_01m8k6dt50c43p0jedkfaxe0wh.webp','image/webp',24172,1024,640,'0d413d67ee86ebca99c4f62db952746ff2d57557675de5f488ef225775713fa8',1795940608498659,1798532608000000,NULL,'cmt_01m8k6dtfj3910zeb9r3pk2p7e');
INSERT INTO "assets" VALUES('ast_01m8k6dtg5emd7g60381devxeh','acc_01m8k6drpkw3ce327m3r7wnv4z',NULL,'upload',0,'t/acc_01m8k6drpkw3ce327m3r7wnv4z/2026/11/29/ast_01m8k6dtg5emd7g60381devxeh.png','image/png',394297,0,0,'672c14f7c46a2130b088fd47f0726ff1ecf7c4dd9e1ec8d85ed12d22a685fb72',1795940608522165,1796199808000000,NULL,NULL);
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
INSERT INTO "attempts" VALUES('att_01m8k6drqn0avp2m9qkmf9qra5','task-unified-1795940606-qrmtgcgb','acc_01m8k6drpkw3ce327m3r7wnv4z',1,'gpt-image-2@embedded','boot_444749e9a732dafb','produced',1795940606709043,1795940607305078,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
INSERT INTO "attempts" VALUES('att_01m8k6dshawgevsnm3y34qqx0x','task-unified-1795940607-lnlxd6qz','acc_01m8k6drpkw3ce327m3r7wnv4z',1,'gpt-image-2@embedded','boot_444749e9a732dafb','produced',1795940607530793,1795940608113703,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
INSERT INTO "attempts" VALUES('att_01m8k6dt5e05mjwbh9s06h1kv3','task-unified-1795940608-laxk4nmf','acc_01m8k6drpkw3ce327m3r7wnv4z',1,'gpt-image-2@embedded','boot_444749e9a732dafb','produced',1795940608174879,1795940608475073,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
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
INSERT INTO "deliveries" VALUES('evt_task-unified-1795940608-laxk4nmf','acc_01m8k6drpkw3ce327m3r7wnv4z','task-unified-1795940608-laxk4nmf','https://hook.example/x','hook.example','{"created":1795940608,"id":"task-unified-1795940608-laxk4nmf","model":"gpt-image-2","object":"image.generation.task","progress":100,"results":["http://127.0.0.1:37557/files/results/task-unified-1795940608-laxk4nmf/0.jpg?exp=1796027008&sig=k1.u8uwXnRUGzUyg5Wl4-YMFkZBEYpe_Vt8NeiXHCJ6v4g"],"status":"completed","task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token","credits_reserved":0.239292,"credits_used":0.199512,"cost":{"credits":0.199512,"usd":0.002934},"tokens":{"text_input":10,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107},"source":"formula","price_version":"2026-11-01.1","user_group":"default"},"billing":{"refund_scope":"account_balance","charge_status":"charged","refund_status":"not_required","reserved_credits":0.239292,"charged_credits":0.199512,"refunded_credits":0,"refunded_at":null},"duration":0.337,"results_expire_at":1796027008,"engine":"embedded","notice":"procedural preview, not a neural model"}','waiting',NULL,0,1,1,1795940609520277,NULL,NULL,1795940608498659,NULL,'cmt_01m8k6dtfj3910zeb9r3pk2p7e');
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
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1795940608-laxk4nmf',1,'acc_01m8k6drpkw3ce327m3r7wnv4z',0,1795940608498659,1795940608503043,1795940608520277,4,NULL,'dns',NULL,'');
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
INSERT INTO "entries" VALUES('led_01m8k6drg8wasndbc8evnbh03d','grant:demo','acc_01m8k6drg7z6gm6c2tjxnbtnc5','grant',147058823529,NULL,'first start','cmt_01m8k6drg883skd64q66k4eqts',1795940606472953,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8k6drg86qg38nw67r4yp4j9','grant:demo','sys:bank','grant',-147058823529,NULL,'first start','cmt_01m8k6drg883skd64q66k4eqts',1795940606472953,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8k6drpp7zamhk1hbxsteqw7','grant:grant_01m8k6drppdsb0gcd1jqffphxp','acc_01m8k6drpkw3ce327m3r7wnv4z','grant',7352941176,NULL,'command line','cmt_01m8k6drppmvgj9z4sdha0nygg',1795940606678934,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8k6drppfexa0vv228278mmk','grant:grant_01m8k6drppdsb0gcd1jqffphxp','sys:bank','grant',-7352941176,NULL,'command line','cmt_01m8k6drppmvgj9z4sdha0nygg',1795940606678934,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8k6dsgwqgt9rj48kvwsckzc','settle:task-unified-1795940606-qrmtgcgb','acc_01m8k6drpkw3ce327m3r7wnv4z','charge',-2925000,'task-unified-1795940606-qrmtgcgb','settle','cmt_01m8k6dsgw7q36s224j09y50bh',1795940607516788,'gpt-image-2','key_01m8k6drprky2mrtgrsy06bgz3','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8k6dsgwcfft1j0gzngr4neg','settle:task-unified-1795940606-qrmtgcgb','sys:revenue','charge',2925000,'task-unified-1795940606-qrmtgcgb','settle','cmt_01m8k6dsgw7q36s224j09y50bh',1795940607516788,'gpt-image-2','key_01m8k6drprky2mrtgrsy06bgz3','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8k6dt4tjdf7jmmsew7khtnr','settle:task-unified-1795940607-lnlxd6qz','acc_01m8k6drpkw3ce327m3r7wnv4z','charge',-2925000,'task-unified-1795940607-lnlxd6qz','settle','cmt_01m8k6dt4tfk0afb0hsq5mf0jb',1795940608154726,'gpt-image-2','key_01m8k6drprky2mrtgrsy06bgz3','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8k6dt4t4kaqyr7k5ybyd9sm','settle:task-unified-1795940607-lnlxd6qz','sys:revenue','charge',2925000,'task-unified-1795940607-lnlxd6qz','settle','cmt_01m8k6dt4tfk0afb0hsq5mf0jb',1795940608154726,'gpt-image-2','key_01m8k6drprky2mrtgrsy06bgz3','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8k6dtfjfp9sgjc5c474vaax','settle:task-unified-1795940608-laxk4nmf','acc_01m8k6drpkw3ce327m3r7wnv4z','charge',-2934000,'task-unified-1795940608-laxk4nmf','settle','cmt_01m8k6dtfj3910zeb9r3pk2p7e',1795940608498659,'gpt-image-2','key_01m8k6drprky2mrtgrsy06bgz3','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8k6dtfj1fw23tr8xfy1nb4q','settle:task-unified-1795940608-laxk4nmf','sys:revenue','charge',2934000,'task-unified-1795940608-laxk4nmf','settle','cmt_01m8k6dtfj3910zeb9r3pk2p7e',1795940608498659,'gpt-image-2','key_01m8k6drprky2mrtgrsy06bgz3','2026-11-01.1',1);
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
INSERT INTO "files" VALUES('file_811106d5066473060d8dd6e607d794bb','acc_01m8k6drpkw3ce327m3r7wnv4z','ast_01m8k6dtg5emd7g60381devxeh','6d1b06a36ed853ca3ad9be81365a23f2','a.png','a.png',NULL,'images',1,1795940608522165,1796199808000000,NULL);
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
INSERT INTO "holds" VALUES('task-unified-1795940606-qrmtgcgb','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3',3501000,20786,'settled',2925000,1795940606699996,1795940607516788);
INSERT INTO "holds" VALUES('task-unified-1795940607-lnlxd6qz','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3',3501000,20786,'settled',2925000,1795940607526333,1795940608154726);
INSERT INTO "holds" VALUES('task-unified-1795940608-laxk4nmf','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3',3519000,20786,'settled',2934000,1795940608160908,1795940608498659);
INSERT INTO "holds" VALUES('task-unified-1795940608-5ex37w8x','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3',3496500,20786,'open',0,1795940608998447,NULL);
INSERT INTO "holds" VALUES('task-unified-1795940609-e2a4z3l5','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3',3505500,20786,'released',0,1795940609004211,1795940609010218);
CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task_id TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, key)
) STRICT;
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL) STRICT;
INSERT INTO "migrations" VALUES('0001_begin.sql','c9a701d8bfd8ad6f092ffb5510bf6e712e5606558c8446d5c66177aa82c987b9',1795940606383133);
INSERT INTO "migrations" VALUES('0002_deliveries.sql','ba48ed06775665b3f1e52f0ff879044b8c564a277e770394a4bfebe7a0f0cafa',1795940606386197);
INSERT INTO "migrations" VALUES('0003_files.sql','fa8ed423a094aaadd9819e6fe0035c9df0fd56ee9f78a056757f7e48bd7c96af',1795940606387235);
INSERT INTO "migrations" VALUES('0004_keys.sql','53b9c7bb8937fc53256f02025fb227093a027112043742fc51c7414333eba9a5',1795940606388180);
INSERT INTO "migrations" VALUES('0005_limits.sql','86a01faff0da16aad21dee6b6a37def9a6800e4b9320343a81d850f9b74be1a6',1795940606389539);
INSERT INTO "migrations" VALUES('0006_thumbnails.sql','9749d52d1476f16b3062634b66149f2de289cb834e04b93742af2c8402565d1c',1795940606390187);
INSERT INTO "migrations" VALUES('0007_history.sql','039f2e3c99dabe123fb3c46cd4f43faadabf2d10fac36421721afe8a8ceb4c96',1795940606391953);
INSERT INTO "migrations" VALUES('0008_fetched.sql','21d03bb65e1fa2ab9bb0a034562f226bb9ec17e0ae1b742bcbd5bbe31037285d',1795940606392113);
INSERT INTO "migrations" VALUES('0009_routes.sql','6fdadf9c2cc9cf37602f0b1a68566c09052da418ad54c2c81489b4be1981286f',1795940606395410);
INSERT INTO "migrations" VALUES('0010_refunds.sql','8ee63d598d4e875ae7e8f5dd8f341db203c5b58043fd44538794a3b40be9fa69',1795940606395573);
INSERT INTO "migrations" VALUES('0011_sessions.sql','153c72865b3cac752f5da4d7f3f7796b259a36a6318845af976b28599f81764d',1795940606395790);
INSERT INTO "migrations" VALUES('0012_names.sql','6763396022b3e70b6e8eed48809f26816fa5425da1af5d71d674b3ade95b949c',1795940606425606);
CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "prices" VALUES('2026-11-01.1','5013baa96ccaa59d9abf18241ff5752664ac63c47dcf4e6b83bccfcb38bdbced','{"version":"2026-11-01.1","effective_from":1793491200,"price":[{"model":"gpt-image-2","per_1k_tokens":{"image_output":"0.027","image_input":"0.0072","image_cached_input":"0.0018","text_input":"0.0045","text_cached_input":"0.001125","text_output":"0"},"per_image_nanos":null},{"model":"gpt-image-2-beta","per_1k_tokens":null,"per_image_nanos":{"1K":15000000,"2K":25500000,"4K":39000000}},{"model":"gpt-image-1.5","per_1k_tokens":{"image_output":"0.0288","image_input":"0.0072","image_cached_input":"0.0018","text_input":"0.0045","text_cached_input":"0.001125","text_output":"0.009"},"per_image_nanos":null},{"model":"gpt-image-1.5-lite","per_1k_tokens":null,"per_image_nanos":{"any":13235295}},{"model":"gpt-image-1.5-beta","per_1k_tokens":null,"per_image_nanos":{"any":13235295}},{"model":"gpt-image-1","per_1k_tokens":{"image_output":"0.036","image_input":"0.009","image_cached_input":"0.00225","text_input":"0.0045","text_cached_input":"0.001125","text_output":"0"},"per_image_nanos":null},{"model":"gpt-4o-image","per_1k_tokens":null,"per_image_nanos":{"any":15000000}},{"model":"gpt-image-2.5-flare","per_1k_tokens":{"image_output":"0.027","image_input":"0.0072","image_cached_input":"0.0018","text_input":"0.0045","text_cached_input":"0.001125","text_output":"0"},"per_image_nanos":null},{"model":"gpt-image-2.5-sunburst","per_1k_tokens":{"image_output":"0.027","image_input":"0.0072","image_cached_input":"0.0018","text_input":"0.0045","text_cached_input":"0.001125","text_output":"0"},"per_image_nanos":null}],"extends":""}',1795940606469746);
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
INSERT INTO "route_health" VALUES('embedded','{"since":1795940607305078,"calls":3}',0);
INSERT INTO "route_health" VALUES('gpt-image-2@embedded','{"since":1795940607305078,"calls":3}',0);
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
    at INTEGER NOT NULL,
    PRIMARY KEY (task_id, seq)
) STRICT;
INSERT INTO "task_steps" VALUES('task-unified-1795940606-qrmtgcgb',1,0,'queued',0,1795940606699996);
INSERT INTO "task_steps" VALUES('task-unified-1795940606-qrmtgcgb',2,1,'running',0,1795940606706030);
INSERT INTO "task_steps" VALUES('task-unified-1795940606-qrmtgcgb',3,1,'running',95,1795940607301912);
INSERT INTO "task_steps" VALUES('task-unified-1795940606-qrmtgcgb',4,1,'completed',100,1795940607516788);
INSERT INTO "task_steps" VALUES('task-unified-1795940607-lnlxd6qz',1,0,'queued',0,1795940607526333);
INSERT INTO "task_steps" VALUES('task-unified-1795940607-lnlxd6qz',2,1,'running',0,1795940607528602);
INSERT INTO "task_steps" VALUES('task-unified-1795940607-lnlxd6qz',3,1,'running',95,1795940608111035);
INSERT INTO "task_steps" VALUES('task-unified-1795940607-lnlxd6qz',4,1,'completed',100,1795940608154726);
INSERT INTO "task_steps" VALUES('task-unified-1795940608-laxk4nmf',1,0,'queued',0,1795940608160908);
INSERT INTO "task_steps" VALUES('task-unified-1795940608-laxk4nmf',2,1,'running',0,1795940608165547);
INSERT INTO "task_steps" VALUES('task-unified-1795940608-laxk4nmf',3,1,'running',95,1795940608472313);
INSERT INTO "task_steps" VALUES('task-unified-1795940608-laxk4nmf',4,1,'completed',100,1795940608498659);
INSERT INTO "task_steps" VALUES('task-unified-1795940608-5ex37w8x',1,0,'queued',0,1795940608998447);
INSERT INTO "task_steps" VALUES('task-unified-1795940609-e2a4z3l5',1,0,'queued',0,1795940609004211);
INSERT INTO "task_steps" VALUES('task-unified-1795940609-e2a4z3l5',2,0,'failed',0,1795940609010218);
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
, callback_url TEXT, first_sent INTEGER, cancel_requested INTEGER, thumbnail_expires INTEGER, waiting_for_slot INTEGER NOT NULL DEFAULT 0 CHECK (waiting_for_slot IN (0, 1))) STRICT;
INSERT INTO "tasks" VALUES('task-unified-1795940606-qrmtgcgb','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"number 0","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3501000,1795940606700678,1795940606699996,1795944206699996,1795940606706030,1795940607516788,NULL,NULL,2925000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"jpg","media_type":"image/jpeg","width":1024,"height":640,"bytes":184047,"quality":"low"}]',NULL,1796027007000000,'cmt_01m8k6dsgw7q36s224j09y50bh',NULL,1795940606709251,NULL,1798532607000000,0);
INSERT INTO "tasks" VALUES('task-unified-1795940607-lnlxd6qz','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"number 1","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3501000,1795940607526832,1795940607526333,1795944207526333,1795940607528602,1795940608154726,NULL,NULL,2925000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"jpg","media_type":"image/jpeg","width":1024,"height":640,"bytes":193818,"quality":"low"}]',NULL,1796027008000000,'cmt_01m8k6dt4tfk0afb0hsq5mf0jb',NULL,1795940607531796,NULL,1798532608000000,0);
INSERT INTO "tasks" VALUES('task-unified-1795940608-laxk4nmf','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a lighthouse","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":"https://hook.example/x","background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3519000,1795940608162369,1795940608160908,1795944208160908,1795940608165547,1795940608498659,NULL,NULL,2934000,'{"images":1,"text_input":10,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"jpg","media_type":"image/jpeg","width":1024,"height":640,"bytes":186132,"quality":"low"}]',NULL,1796027008000000,'cmt_01m8k6dtfj3910zeb9r3pk2p7e','https://hook.example/x',1795940608175161,NULL,1798532608000000,0);
INSERT INTO "tasks" VALUES('task-unified-1795940608-5ex37w8x','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3','queued',0,0,1,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"waiting","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3496500,1795940608999050,1795940608998447,1795944208998447,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "tasks" VALUES('task-unified-1795940609-e2a4z3l5','acc_01m8k6drpkw3ce327m3r7wnv4z','key_01m8k6drprky2mrtgrsy06bgz3','failed',0,0,2,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"cancelled","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3505500,1795940609004641,1795940609004211,1795944209004211,NULL,1795940609010218,NULL,NULL,0,NULL,NULL,NULL,NULL,'{"code":"request_cancelled","message":"The task was cancelled.","type":"task_error"}',NULL,'cmt_01m8k6dtzj5m1a2hd0kgfph0by',NULL,NULL,1795940609010218,NULL,0);
CREATE TABLE "webhook_hosts" (
    host TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    suspended INTEGER
) STRICT;
INSERT INTO "webhook_hosts" VALUES('hook.example',1,NULL);
CREATE INDEX accounts_with_work ON accounts (id) WHERE unfinished > 0;
CREATE INDEX api_keys_account ON api_keys (account_id);
CREATE INDEX entries_account ON entries (account, created, id);
CREATE INDEX tasks_newest ON tasks (account_id, created, id);
CREATE INDEX tasks_old ON tasks (ended) WHERE state IN ('completed', 'failed');
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'open';
CREATE INDEX attempts_task ON attempts (task_id);
CREATE INDEX assets_task ON assets (task_id, kind, position);
CREATE INDEX assets_expiring ON assets (expires) WHERE deleted IS NULL;
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
COMMIT;

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
INSERT INTO "accounts" VALUES('acc_01m8ktkpkrdszm02sdjxc5zeba','demo',147058823529,0,0,0,1795961772664574,1,NULL,0);
INSERT INTO "accounts" VALUES('acc_01m8ktkqaaz9kkay3fj513zhy3','shop',7344157176,3496500,0,1,1795961773388502,1,NULL,1);
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
INSERT INTO "api_keys" VALUES('key_01m8ktkpkyeprgsdrj19ncqf75','acc_01m8ktkpkrdszm02sdjxc5zeba','demo','3a6a7b761305e13667c6d4d00dc9a494c9e2b512128d78840cceae883edfe9ec','imk_live_TAVK…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,0,0,NULL,0,0,1795961772671865,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8ktkqb3qqnfpf96xgzqzcg7','acc_01m8ktkqaaz9kkay3fj513zhy3','key','81cacf9c9b78f82457e2ceeecd5d4c715985a695e2bf4e2b05a941d01bc0f91b','imk_live_InKI…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,8784000,3496500,NULL,20786,12280500,1795961773412196,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "assets" VALUES('ast_01m8ktkw6d707y0m43s68hzkt6','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961773-n0ejppwd','result',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/att_01m8ktkqewtjjsr44y6tfdwwxe-0.jpg','image/jpeg',184047,1024,640,'0fe8adf08e9d3e7d907493e01e1b5da0df6f25bcbc73fc086c24527290213115',1795961778401218,1796048178000000,NULL,'cmt_01m8ktkw6dxgrym5913hw9tgaj');
INSERT INTO "assets" VALUES('ast_01m8ktkqd0c3cjkhny14tgm4zq','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961773-n0ejppwd','thumbnail',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/ast_01m8ktkqd0c3cjkhny14tgm4zq.webp','image/webp',24232,1024,640,'c2f06aeb51d047897b87e14b03e8d50f4fa8c4552a058043923b9281c29251e4',1795961778401218,1798553778000000,NULL,'cmt_01m8ktkw6dxgrym5913hw9tgaj');
INSERT INTO "assets" VALUES('ast_01m8ktkznssv86gt200g4jaw5x','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961778-8cnn5myo','result',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/att_01m8ktkwastmaeb2g6b7b93exh-0.jpg','image/jpeg',193818,1024,640,'b17b67240ef4007408045f6fff75a7d5ba77a461aaa6ef24fe3e374e05511534',1795961781999290,1796048181000000,NULL,'cmt_01m8ktkzns2qz1zephphanzjtm');
INSERT INTO "assets" VALUES('ast_01m8ktkw9617897msrtya1hr69','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961778-8cnn5myo','thumbnail',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/ast_01m8ktkw9617897msrtya1hr69.webp','image/webp',31826,1024,640,'f57075af1b556fb38c8844e46e215d7d831e280ced81c4ffe15a13c2cb43b96d',1795961781999290,1798553781000000,NULL,'cmt_01m8ktkzns2qz1zephphanzjtm');
INSERT INTO "assets" VALUES('ast_01m8ktm26asc0q9d0kvw3b3zny','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961782-h5wsbcdl','result',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/att_01m8ktkzrz52fr838c9ahtxfw4-0.jpg','image/jpeg',186132,1024,640,'8ac732bf55f9da768da380c1ef846c68295725ea8a2129a37ccc9757e8d43aa2',1795961784525757,1796048184000000,NULL,'cmt_01m8ktm26afekj5tqf2n0mt70r');
INSERT INTO "assets" VALUES('ast_01m8ktkzr26tr7jhvt5na7xpqq','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961782-h5wsbcdl','thumbnail',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/ast_01m8ktkzr26tr7jhvt5na7xpqq.webp','image/webp',24172,1024,640,'0d413d67ee86ebca99c4f62db952746ff2d57557675de5f488ef225775713fa8',1795961784525757,1798553784000000,NULL,'cmt_01m8ktm26afekj5tqf2n0mt70r');
INSERT INTO "assets" VALUES('ast_01m8ktm2edkg1sntxvqxy64d7t','acc_01m8ktkqaaz9kkay3fj513zhy3',NULL,'upload',0,'t/acc_01m8ktkqaaz9kkay3fj513zhy3/2026/11/29/ast_01m8ktm2edkg1sntxvqxy64d7t.png','image/png',394297,0,0,'672c14f7c46a2130b088fd47f0726ff1ecf7c4dd9e1ec8d85ed12d22a685fb72',1795961784944052,1796220984000000,NULL,NULL);
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
INSERT INTO "attempts" VALUES('att_01m8ktkqewtjjsr44y6tfdwwxe','task-unified-1795961773-n0ejppwd','acc_01m8ktkqaaz9kkay3fj513zhy3',1,'gpt-image-2@embedded','boot_2fa562cc62f112fc','produced',1795961773532331,1795961777339501,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
INSERT INTO "attempts" VALUES('att_01m8ktkwastmaeb2g6b7b93exh','task-unified-1795961778-8cnn5myo','acc_01m8ktkqaaz9kkay3fj513zhy3',1,'gpt-image-2@embedded','boot_2fa562cc62f112fc','produced',1795961778521795,1795961781755630,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
INSERT INTO "attempts" VALUES('att_01m8ktkzrz52fr838c9ahtxfw4','task-unified-1795961782-h5wsbcdl','acc_01m8ktkqaaz9kkay3fj513zhy3',1,'gpt-image-2@embedded','boot_2fa562cc62f112fc','produced',1795961782047195,1795961784313985,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0);
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
INSERT INTO "audit" VALUES('aud_01m8ktkpkr7wz9t3kv8dze0vfq',1795961772664574,'account.create','first start','program','','','acc_01m8ktkpkrdszm02sdjxc5zeba','acc_01m8ktkpkrdszm02sdjxc5zeba',NULL,'{"name": "demo"}',1);
INSERT INTO "audit" VALUES('aud_01m8ktkpkw5kcbhwxtc00g0ywd',1795961772668288,'credits.grant','first start','program','','','acc_01m8ktkpkrdszm02sdjxc5zeba','acc_01m8ktkpkrdszm02sdjxc5zeba','{"posted": 0}','{"posted": 147058823529, "amount": 147058823529}',1);
INSERT INTO "audit" VALUES('aud_01m8ktkpkz30c1vwvxjcd9jb42',1795961772671865,'key.create','first start','program','','','acc_01m8ktkpkrdszm02sdjxc5zeba','key_01m8ktkpkyeprgsdrj19ncqf75',NULL,'{"name": "demo", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8ktkqac7kfas5zw4gzdd11c',1795961773388502,'account.create','command line','command line','root@vm','','acc_01m8ktkqaaz9kkay3fj513zhy3','acc_01m8ktkqaaz9kkay3fj513zhy3',NULL,'{"name": "shop"}',1);
INSERT INTO "audit" VALUES('aud_01m8ktkqavbb4mba6t4n2599e2',1795961773403944,'credits.grant','command line','command line','root@vm','','acc_01m8ktkqaaz9kkay3fj513zhy3','acc_01m8ktkqaaz9kkay3fj513zhy3','{"posted": 0}','{"posted": 7352941176, "amount": 7352941176}',1);
INSERT INTO "audit" VALUES('aud_01m8ktkqb49dvect1wtq3q6sjx',1795961773412196,'key.create','command line','command line','root@vm','','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7',NULL,'{"name": "key", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
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
INSERT INTO "deliveries" VALUES('evt_task-unified-1795961782-h5wsbcdl','acc_01m8ktkqaaz9kkay3fj513zhy3','task-unified-1795961782-h5wsbcdl','https://hook.example/x','hook.example','{"created":1795961782,"id":"task-unified-1795961782-h5wsbcdl","model":"gpt-image-2","object":"image.generation.task","progress":100,"results":["http://127.0.0.1:34897/files/results/task-unified-1795961782-h5wsbcdl/0.jpg?exp=1796048184&sig=k1.Qh8GNWBk435tBMxBz_a9oRgLIf0fBhQw-UujjZ2_9pw"],"status":"completed","task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token","credits_reserved":0.239292,"credits_used":0.199512,"cost":{"credits":0.199512,"usd":0.002934},"tokens":{"text_input":10,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107},"source":"formula","price_version":"2026-11-01.1","user_group":"default"},"billing":{"refund_scope":"account_balance","charge_status":"charged","refund_status":"not_required","reserved_credits":0.239292,"charged_credits":0.199512,"refunded_credits":0,"refunded_at":null},"duration":2.506,"results_expire_at":1796048184,"engine":"embedded","notice":"procedural preview, not a neural model"}','waiting',NULL,0,2,2,1795961791250547,NULL,NULL,1795961784525757,NULL,'cmt_01m8ktm26afekj5tqf2n0mt70r');
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
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1795961782-h5wsbcdl',1,'acc_01m8ktkqaaz9kkay3fj513zhy3',0,1795961784525757,1795961784609275,1795961784716871,100,NULL,'dns',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1795961782-h5wsbcdl',2,'acc_01m8ktkqaaz9kkay3fj513zhy3',0,1795961785716871,1795961789217995,1795961789250547,19,NULL,'dns',NULL,'');
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
INSERT INTO "entries" VALUES('led_01m8ktkpkwx41n7kynppeca3s2','grant:demo','acc_01m8ktkpkrdszm02sdjxc5zeba','grant',147058823529,NULL,'first start','cmt_01m8ktkpkwz463g7c85wvrmwej',1795961772668288,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8ktkpkw2rpdqpdm1588mkmg','grant:demo','sys:bank','grant',-147058823529,NULL,'first start','cmt_01m8ktkpkwz463g7c85wvrmwej',1795961772668288,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8ktkqav1vcv119k41wj9nk8','grant:grant_01m8ktkqavj8xxe86qy8n9a5hr','acc_01m8ktkqaaz9kkay3fj513zhy3','grant',7352941176,NULL,'command line','cmt_01m8ktkqavp2erbcnnykx6b3rq',1795961773403944,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8ktkqavv68xyaas71geg0vq','grant:grant_01m8ktkqavj8xxe86qy8n9a5hr','sys:bank','grant',-7352941176,NULL,'command line','cmt_01m8ktkqavp2erbcnnykx6b3rq',1795961773403944,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8ktkw7115tz1qf7a4mh1jyn','settle:task-unified-1795961773-n0ejppwd','acc_01m8ktkqaaz9kkay3fj513zhy3','charge',-2925000,'task-unified-1795961773-n0ejppwd','settle','cmt_01m8ktkw6dxgrym5913hw9tgaj',1795961778401218,'gpt-image-2','key_01m8ktkqb3qqnfpf96xgzqzcg7','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8ktkw71g0sark9swq7rpzga','settle:task-unified-1795961773-n0ejppwd','sys:revenue','charge',2925000,'task-unified-1795961773-n0ejppwd','settle','cmt_01m8ktkw6dxgrym5913hw9tgaj',1795961778401218,'gpt-image-2','key_01m8ktkqb3qqnfpf96xgzqzcg7','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8ktkzqft6jd3k0akas41wy3','settle:task-unified-1795961778-8cnn5myo','acc_01m8ktkqaaz9kkay3fj513zhy3','charge',-2925000,'task-unified-1795961778-8cnn5myo','settle','cmt_01m8ktkzns2qz1zephphanzjtm',1795961781999290,'gpt-image-2','key_01m8ktkqb3qqnfpf96xgzqzcg7','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8ktkzqfx4qvsxttppp3rktv','settle:task-unified-1795961778-8cnn5myo','sys:revenue','charge',2925000,'task-unified-1795961778-8cnn5myo','settle','cmt_01m8ktkzns2qz1zephphanzjtm',1795961781999290,'gpt-image-2','key_01m8ktkqb3qqnfpf96xgzqzcg7','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8ktm26d6fen4n781mk1k85g','settle:task-unified-1795961782-h5wsbcdl','acc_01m8ktkqaaz9kkay3fj513zhy3','charge',-2934000,'task-unified-1795961782-h5wsbcdl','settle','cmt_01m8ktm26afekj5tqf2n0mt70r',1795961784525757,'gpt-image-2','key_01m8ktkqb3qqnfpf96xgzqzcg7','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8ktm26dg72zpk55kxgvzpx3','settle:task-unified-1795961782-h5wsbcdl','sys:revenue','charge',2934000,'task-unified-1795961782-h5wsbcdl','settle','cmt_01m8ktm26afekj5tqf2n0mt70r',1795961784525757,'gpt-image-2','key_01m8ktkqb3qqnfpf96xgzqzcg7','2026-11-01.1',1);
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
INSERT INTO "files" VALUES('file_d8d3b6fd4c7110c397ff81804ee93ce3','acc_01m8ktkqaaz9kkay3fj513zhy3','ast_01m8ktm2edkg1sntxvqxy64d7t','d6bd0250f56c633be3caf87522fa4b1e','a.png','a.png',NULL,'images',1,1795961784944052,1796220984000000,NULL);
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
INSERT INTO "holds" VALUES('task-unified-1795961773-n0ejppwd','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7',3501000,20786,'settled',2925000,1795961773472951,1795961778401218);
INSERT INTO "holds" VALUES('task-unified-1795961778-8cnn5myo','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7',3501000,20786,'settled',2925000,1795961778470876,1795961781999290);
INSERT INTO "holds" VALUES('task-unified-1795961782-h5wsbcdl','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7',3519000,20786,'settled',2934000,1795961782018998,1795961784525757);
INSERT INTO "holds" VALUES('task-unified-1795961789-ymqxmgvj','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7',3496500,20786,'open',0,1795961789588705,NULL);
INSERT INTO "holds" VALUES('task-unified-1795961789-xlmrnste','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7',3505500,20786,'released',0,1795961789888038,1795961790225871);
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
INSERT INTO "installation" VALUES('blobs_folder','fld_26bafd0341cfd846',1795961772343058);
INSERT INTO "installation" VALUES('secret_check','1086a97c873e05090d4650de2a7758c2fbaae00de57df65391a93af4c13857f2',1795961772359819);
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL, oldest_program TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "migrations" VALUES('0001_begin.sql','c9a701d8bfd8ad6f092ffb5510bf6e712e5606558c8446d5c66177aa82c987b9',1795961771583896,'');
INSERT INTO "migrations" VALUES('0002_deliveries.sql','ba48ed06775665b3f1e52f0ff879044b8c564a277e770394a4bfebe7a0f0cafa',1795961771588913,'');
INSERT INTO "migrations" VALUES('0003_files.sql','fa8ed423a094aaadd9819e6fe0035c9df0fd56ee9f78a056757f7e48bd7c96af',1795961771786783,'');
INSERT INTO "migrations" VALUES('0004_keys.sql','53b9c7bb8937fc53256f02025fb227093a027112043742fc51c7414333eba9a5',1795961771799673,'');
INSERT INTO "migrations" VALUES('0005_limits.sql','86a01faff0da16aad21dee6b6a37def9a6800e4b9320343a81d850f9b74be1a6',1795961771814722,'');
INSERT INTO "migrations" VALUES('0006_thumbnails.sql','9749d52d1476f16b3062634b66149f2de289cb834e04b93742af2c8402565d1c',1795961771815918,'');
INSERT INTO "migrations" VALUES('0007_history.sql','039f2e3c99dabe123fb3c46cd4f43faadabf2d10fac36421721afe8a8ceb4c96',1795961771828802,'');
INSERT INTO "migrations" VALUES('0008_fetched.sql','21d03bb65e1fa2ab9bb0a034562f226bb9ec17e0ae1b742bcbd5bbe31037285d',1795961771829210,'');
INSERT INTO "migrations" VALUES('0009_routes.sql','6fdadf9c2cc9cf37602f0b1a68566c09052da418ad54c2c81489b4be1981286f',1795961771902923,'');
INSERT INTO "migrations" VALUES('0010_refunds.sql','8ee63d598d4e875ae7e8f5dd8f341db203c5b58043fd44538794a3b40be9fa69',1795961771903133,'');
INSERT INTO "migrations" VALUES('0011_sessions.sql','153c72865b3cac752f5da4d7f3f7796b259a36a6318845af976b28599f81764d',1795961771903342,'');
INSERT INTO "migrations" VALUES('0012_names.sql','6763396022b3e70b6e8eed48809f26816fa5425da1af5d71d674b3ade95b949c',1795961772260527,'');
INSERT INTO "migrations" VALUES('0013_waiting.sql','b08facdd97923339c70243aedba8062ea20b55fcbf655dd50928526650c2e145',1795961772262261,'');
INSERT INTO "migrations" VALUES('0014_webhook_bounds.sql','b67cfb3e8b2cdc2a3de40ca9b195ce290e60b2142424618e8b7e02ff3098d028',1795961772262400,'');
INSERT INTO "migrations" VALUES('0015_audit.sql','ae8272b3495a4cc643e53ac1fb86ebf9ea9dfb28d9c5bac50f62beb68dbe2ddb',1795961772263670,'');
INSERT INTO "migrations" VALUES('0016_installation.sql','c6c93d5b396bd4710f0fd6c81f78e64fbf133c7f0b81c2c41f15efacce107d8b',1795961772264246,'0.2.0');
INSERT INTO "migrations" VALUES('0017_totals.sql','9a8983bd4dc1650dfae58eae865985dd7dfd1cc662cd234840b2b28e0aa79099',1795961772264468,'0.2.0');
INSERT INTO "migrations" VALUES('0019_waiting_steps.sql','4639ddb878f734a41ad11d5bd019ab39b1a146eadb8e90b2354b9e36798afa43',1795961772265419,'0.2.0');
CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "prices" VALUES('2026-11-01.1','523814ab7043bbac153879626a358b5fd9b7405cabb19c6ed9f714dcf9a6d821','{"effective_from":1793491200,"price":[{"model":"gpt-image-2","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2-beta","per_image_nanos":{"1K":15000000,"2K":25500000,"4K":39000000}},{"model":"gpt-image-1.5","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.0288","text_cached_input":"0.001125","text_input":"0.0045","text_output":"0.009"}},{"model":"gpt-image-1.5-lite","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1.5-beta","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1","per_1k_tokens":{"image_cached_input":"0.00225","image_input":"0.009","image_output":"0.036","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-4o-image","per_image_nanos":{"any":15000000}},{"model":"gpt-image-2.5-flare","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2.5-sunburst","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}}],"version":"2026-11-01.1"}',1795961772662759);
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
INSERT INTO "route_health" VALUES('embedded','{"since":1795961777339501,"calls":3,"done":1795961784313985}',0);
INSERT INTO "route_health" VALUES('gpt-image-2@embedded','{"since":1795961777339501,"calls":3,"done":1795961784313985}',0);
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
INSERT INTO "task_steps" VALUES('task-unified-1795961773-n0ejppwd',1,0,'queued',0,1795961773472951,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961773-n0ejppwd',2,1,'running',0,1795961773520473,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961773-n0ejppwd',3,1,'running',0,1795961773533882,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961773-n0ejppwd',4,1,'running',95,1795961777275634,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961773-n0ejppwd',5,1,'completed',100,1795961778401218,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961778-8cnn5myo',1,0,'queued',0,1795961778470876,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961778-8cnn5myo',2,1,'running',0,1795961778501992,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961778-8cnn5myo',3,1,'running',0,1795961778522177,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961778-8cnn5myo',4,1,'running',95,1795961781701510,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961778-8cnn5myo',5,1,'completed',100,1795961781999290,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961782-h5wsbcdl',1,0,'queued',0,1795961782018998,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961782-h5wsbcdl',2,1,'running',0,1795961782030116,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961782-h5wsbcdl',3,1,'running',0,1795961782047511,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961782-h5wsbcdl',4,1,'running',95,1795961784267875,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961782-h5wsbcdl',5,1,'completed',100,1795961784525757,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961789-ymqxmgvj',1,0,'queued',0,1795961789588705,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961789-xlmrnste',1,0,'queued',0,1795961789888038,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1795961789-xlmrnste',2,0,'failed',0,1795961790225871,0,NULL,NULL);
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
INSERT INTO "tasks" VALUES('task-unified-1795961773-n0ejppwd','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7','completed',1,0,5,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"number 0","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3501000,1795961773483581,1795961773472951,1795965373472951,1795961773520473,1795961778401218,NULL,NULL,2925000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"jpg","media_type":"image/jpeg","width":1024,"height":640,"bytes":184047,"quality":"low"}]',NULL,1796048178000000,'cmt_01m8ktkw6dxgrym5913hw9tgaj',NULL,1795961773533882,NULL,1798553778000000,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795961778-8cnn5myo','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7','completed',1,0,5,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"number 1","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3501000,1795961778473592,1795961778470876,1795965378470876,1795961778501992,1795961781999290,NULL,NULL,2925000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"jpg","media_type":"image/jpeg","width":1024,"height":640,"bytes":193818,"quality":"low"}]',NULL,1796048181000000,'cmt_01m8ktkzns2qz1zephphanzjtm',NULL,1795961778522177,NULL,1798553781000000,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795961782-h5wsbcdl','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7','completed',1,0,5,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a lighthouse","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":"https://hook.example/x","background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3519000,1795961782021958,1795961782018998,1795965382018998,1795961782030116,1795961784525757,NULL,NULL,2934000,'{"images":1,"text_input":10,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":107,"text_output":0}','formula','embedded','[{"index":0,"ext":"jpg","media_type":"image/jpeg","width":1024,"height":640,"bytes":186132,"quality":"low"}]',NULL,1796048184000000,'cmt_01m8ktm26afekj5tqf2n0mt70r','https://hook.example/x',1795961782047511,NULL,1798553784000000,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795961789-ymqxmgvj','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7','queued',0,0,1,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"waiting","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3496500,1795961789714314,1795961789588705,1795965389588705,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1795961789-xlmrnste','acc_01m8ktkqaaz9kkay3fj513zhy3','key_01m8ktkqb3qqnfpf96xgzqzcg7','failed',0,0,2,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"cancelled","size":{"requested":"1024x640","width":1024,"height":640,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"jpeg","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',3505500,1795961790225871,1795961789888038,1795965389888038,NULL,1795961790225871,NULL,NULL,0,NULL,NULL,NULL,NULL,'{"code":"request_cancelled","message":"The task was cancelled.","type":"task_error"}',NULL,'cmt_01m8ktm7p3g195jtjbh64867ct',NULL,NULL,1795961790225871,NULL,0,NULL,NULL);
CREATE TABLE "webhook_hosts" (
    host TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    suspended INTEGER
) STRICT;
INSERT INTO "webhook_hosts" VALUES('hook.example',2,NULL);
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
CREATE INDEX tasks_waiting ON tasks (due) WHERE state = 'queued' AND waiting_since IS NOT NULL;
CREATE INDEX deliveries_under_way ON deliveries (account_id) WHERE owner IS NOT NULL;
CREATE INDEX audit_created ON audit (created, id);
CREATE INDEX api_keys_made_by ON api_keys (made_by) WHERE made_by IS NOT NULL;
CREATE INDEX entries_used ON entries (account, kind, amount) WHERE kind IN ('charge', 'refund');
CREATE INDEX tasks_ended_state ON tasks (state) WHERE state IN ('completed', 'failed');
COMMIT;

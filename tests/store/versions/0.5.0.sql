BEGIN TRANSACTION;
CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    posted INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    credit_line INTEGER NOT NULL DEFAULT 0,
    unfinished INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL, webhook_secret_version INTEGER NOT NULL DEFAULT 1, webhook_secret_rotated INTEGER, file_count INTEGER NOT NULL DEFAULT 0 CHECK (file_count >= 0), closed INTEGER,
    CHECK (held >= 0 AND credit_line >= 0 AND unfinished >= 0 AND posted - held + credit_line >= 0)
) STRICT;
INSERT INTO "accounts" VALUES('acc_01m8mz9ke2p7qrerzjcbmkzfff','demo',147058823529,0,0,0,1796000239042517,1,NULL,0,NULL);
INSERT INTO "accounts" VALUES('acc_01m8mz9n7h5mvevqp489834m77','shop',7348288176,5215500,0,1,1796000240882160,1,NULL,1,NULL);
INSERT INTO "accounts" VALUES('acc_01m8mz9z8trb6zp785zczrat0m','former',73529412,0,0,0,1796000251163811,1,NULL,0,1796000253200738);
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
INSERT INTO "api_keys" VALUES('key_01m8mz9ke44wrendwg6fv508nq','acc_01m8mz9ke2p7qrerzjcbmkzfff','demo','728e934d442bc711e14928806c16cf7de9341dba3274c767beb58ec17b975904','imk_live_CQg8…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,0,0,NULL,0,0,1796000239044638,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8mz9n7mjh2xsepdkdr0maay','acc_01m8mz9n7h5mvevqp489834m77','key','0b7cc016a6d03225486702b546413888f1fe6a2ad6f0a277c699402cde28782c','imk_live_kuIU…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,4653000,5215500,NULL,20787,9868500,1796000240884644,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8mz9z95atkqzx64jwcgcyq0','acc_01m8mz9z8trb6zp785zczrat0m','key','09d53627989bb99b0138e39bb9eb966127fd09d0353207a6c8298e61cb27a08c','imk_live_jTc0…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,0,0,NULL,0,0,1796000251173488,NULL,1796000253200738,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "assets" VALUES('ast_01m8mz9p27tsm73bj6hfzd5sy1','acc_01m8mz9n7h5mvevqp489834m77','task-unified-1796000241-a3kjpsr5','result',0,'t/acc_01m8mz9n7h5mvevqp489834m77/2026/11/30/att_01m8mz9ncwvtf8mpt1d9nep0d2-0.png','image/png',884413,816,816,'cf6aca51106a54a9cc5ff38e08b1fc45cafdda06c4dfe03ddb583571f1de1bba',1796000241737728,1796086641000000,NULL,'cmt_01m8mz9p29q464crw18srdh6qv',1796000241737728,0);
INSERT INTO "assets" VALUES('ast_01m8mz9pkqhrhxpf45f5nvkasx','acc_01m8mz9n7h5mvevqp489834m77','task-unified-1796000241-rnx4q7rp','result',0,'t/acc_01m8mz9n7h5mvevqp489834m77/2026/11/30/att_01m8mz9p2hkm5tkx76ggdkg5n3-0.png','image/png',881754,816,816,'c74fdb8fa3d003d8b68d4e6fe9f5a219ee8d8fc54ceb7b2707e21e0ac603ca4c',1796000242299714,1796086642000000,NULL,'cmt_01m8mz9pkvktg2yxspznsrn37r',1796000242299714,0);
INSERT INTO "assets" VALUES('ast_01m8mz9w3machhvv05mh3ybdvk','acc_01m8mz9n7h5mvevqp489834m77',NULL,'upload',0,'t/acc_01m8mz9n7h5mvevqp489834m77/2026/11/30/ast_01m8mz9w3machhvv05mh3ybdvk.png','image/png',884413,0,0,'cf6aca51106a54a9cc5ff38e08b1fc45cafdda06c4dfe03ddb583571f1de1bba',1796000247963610,1796259447000000,NULL,NULL,NULL,0);
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
INSERT INTO "attempts" VALUES('att_01m8mz9ncwvtf8mpt1d9nep0d2','task-unified-1796000241-a3kjpsr5','acc_01m8mz9n7h5mvevqp489834m77',1,'gpt-image-2@embedded','boot_c63f27cbc08e67b5','produced',1796000241052382,1796000241737728,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
INSERT INTO "attempts" VALUES('att_01m8mz9p2hkm5tkx76ggdkg5n3','task-unified-1796000241-rnx4q7rp','acc_01m8mz9n7h5mvevqp489834m77',1,'gpt-image-2@embedded','boot_c63f27cbc08e67b5','produced',1796000241745348,1796000242299714,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
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
INSERT INTO "audit" VALUES('aud_01m8mz9ke2rdy7vtxkq7a0kqe4',1796000239042517,'account.create','first start','program','','','acc_01m8mz9ke2p7qrerzjcbmkzfff','acc_01m8mz9ke2p7qrerzjcbmkzfff',NULL,'{"name": "demo"}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9ke3vjdf0c1t7p5jyy7p',1796000239043619,'credits.grant','first start','program','','','acc_01m8mz9ke2p7qrerzjcbmkzfff','acc_01m8mz9ke2p7qrerzjcbmkzfff','{"posted": 0}','{"posted": 147058823529, "amount": 147058823529}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9ke4fzaby97vdxvjec1d',1796000239044638,'key.create','first start','program','','','acc_01m8mz9ke2p7qrerzjcbmkzfff','key_01m8mz9ke44wrendwg6fv508nq',NULL,'{"name": "demo", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9n7j22qa1wz6s1eq7t5m',1796000240882160,'account.create','command line','command line','ops@host','','acc_01m8mz9n7h5mvevqp489834m77','acc_01m8mz9n7h5mvevqp489834m77',NULL,'{"name": "shop"}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9n7ks95gtkb8qky61m6g',1796000240883706,'credits.grant','command line','command line','ops@host','','acc_01m8mz9n7h5mvevqp489834m77','acc_01m8mz9n7h5mvevqp489834m77','{"posted": 0}','{"posted": 7352941176, "amount": 7352941176}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9n7mmcycf9myw9te6x0e',1796000240884644,'key.create','command line','command line','ops@host','','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay',NULL,'{"name": "key", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9vyc8nvjk04b1xffxr4y',1796000247756412,'credits.refund','command line','command line','ops@host','','acc_01m8mz9n7h5mvevqp489834m77','task-unified-1796000241-a3kjpsr5',NULL,'{"refund": "rfd_01m8mz9vybg2x6vk53dk9jeec3", "amount": 4653000, "reason": "a wrong fox"}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9z8vzagbp24dxbvbcwxa',1796000251163811,'account.create','command line','command line','ops@host','','acc_01m8mz9z8trb6zp785zczrat0m','acc_01m8mz9z8trb6zp785zczrat0m',NULL,'{"name": "former"}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9z8ygy1p1bcwn8337r8g',1796000251166759,'credits.grant','command line','command line','ops@host','','acc_01m8mz9z8trb6zp785zczrat0m','acc_01m8mz9z8trb6zp785zczrat0m','{"posted": 0}','{"posted": 73529412, "amount": 73529412}',1);
INSERT INTO "audit" VALUES('aud_01m8mz9z959fq0sjvjxjehzhrn',1796000251173488,'key.create','command line','command line','ops@host','','acc_01m8mz9z8trb6zp785zczrat0m','key_01m8mz9z95atkqzx64jwcgcyq0',NULL,'{"name": "key", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8mza18g7k67q13vfq8cvkch',1796000253200738,'key.disable','command line','command line','ops@host','','acc_01m8mz9z8trb6zp785zczrat0m','key_01m8mz9z95atkqzx64jwcgcyq0','{"disabled": null}','{"disabled": 1796000253200738, "with": "acc_01m8mz9z8trb6zp785zczrat0m"}',1);
INSERT INTO "audit" VALUES('aud_01m8mza18ghtxk4r8r60d8qd1m',1796000253200738,'account.close','command line','command line','ops@host','','acc_01m8mz9z8trb6zp785zczrat0m','acc_01m8mz9z8trb6zp785zczrat0m','{"closed": null}','{"closed": 1796000253200738}',1);
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
INSERT INTO "deliveries" VALUES('evt_task-unified-1796000241-rnx4q7rp','acc_01m8mz9n7h5mvevqp489834m77','task-unified-1796000241-rnx4q7rp','http://127.0.0.1:18652/hook','127.0.0.1:18652','{"created":1796000241,"id":"task-unified-1796000241-rnx4q7rp","model":"gpt-image-2","object":"image.generation.task","progress":100,"results":["http://127.0.0.1:18651/files/results/task-unified-1796000241-rnx4q7rp/0.png?exp=1796086642&sig=k1.j-zeXoF2JeMpprg6LtmE5qFSBCh6z5nmqbVm9yQnbEI"],"status":"completed","task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token","credits_reserved":0.355266,"credits_used":0.316404,"cost":{"credits":0.316404,"usd":0.004653},"tokens":{"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":171},"source":"formula","price_version":"2026-11-01.1","user_group":"default"},"billing":{"refund_scope":"account_balance","charge_status":"charged","refund_status":"not_required","reserved_credits":0.355266,"charged_credits":0.316404,"refunded_credits":0,"refunded_at":null},"duration":0.556,"results_expire_at":1796086642,"engine":"embedded","notice":"procedural preview, not a neural model"}','exhausted','failed',0,4,4,1796000249390497,NULL,NULL,1796000242299714,1796000249487469,'cmt_01m8mz9pkvktg2yxspznsrn37r');
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
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796000241-rnx4q7rp',1,'acc_01m8mz9n7h5mvevqp489834m77',0,1796000242299714,1796000242307621,1796000242375459,60,NULL,'connect',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796000241-rnx4q7rp',2,'acc_01m8mz9n7h5mvevqp489834m77',0,1796000243375459,1796000243377258,1796000243379482,1,NULL,'connect',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796000241-rnx4q7rp',3,'acc_01m8mz9n7h5mvevqp489834m77',0,1796000245379482,1796000245387421,1796000245390497,1,NULL,'connect',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796000241-rnx4q7rp',4,'acc_01m8mz9n7h5mvevqp489834m77',0,1796000249390497,1796000249421418,1796000249487469,10,NULL,'connect',NULL,'');
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
INSERT INTO "entries" VALUES('led_01m8mz9ke3gcw577h5d08ay0jp','grant:demo','acc_01m8mz9ke2p7qrerzjcbmkzfff','grant',147058823529,NULL,'first start','cmt_01m8mz9ke3nyhr810z10wfr6ch',1796000239043619,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mz9ke3h44bytzy2803xrgh','grant:demo','sys:bank','grant',-147058823529,NULL,'first start','cmt_01m8mz9ke3nyhr810z10wfr6ch',1796000239043619,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mz9n7kha9rv33nmf0y2myf','grant:grant_01m8mz9n7kem8f05rsnp8m60nv','acc_01m8mz9n7h5mvevqp489834m77','grant',7352941176,NULL,'command line','cmt_01m8mz9n7k1ct7p8ejesfcgp89',1796000240883706,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mz9n7kypxyra40c4esnprd','grant:grant_01m8mz9n7kem8f05rsnp8m60nv','sys:bank','grant',-7352941176,NULL,'command line','cmt_01m8mz9n7k1ct7p8ejesfcgp89',1796000240883706,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mz9p294ec3e63rhqn006zq','settle:task-unified-1796000241-a3kjpsr5','acc_01m8mz9n7h5mvevqp489834m77','charge',-4653000,'task-unified-1796000241-a3kjpsr5','settle','cmt_01m8mz9p29q464crw18srdh6qv',1796000241737728,'gpt-image-2','key_01m8mz9n7mjh2xsepdkdr0maay','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mz9p29byxgz9x9cywhj0jq','settle:task-unified-1796000241-a3kjpsr5','sys:revenue','charge',4653000,'task-unified-1796000241-a3kjpsr5','settle','cmt_01m8mz9p29q464crw18srdh6qv',1796000241737728,'gpt-image-2','key_01m8mz9n7mjh2xsepdkdr0maay','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mz9pkvtxpr6r53ffhwv58x','settle:task-unified-1796000241-rnx4q7rp','acc_01m8mz9n7h5mvevqp489834m77','charge',-4653000,'task-unified-1796000241-rnx4q7rp','settle','cmt_01m8mz9pkvktg2yxspznsrn37r',1796000242299714,'gpt-image-2','key_01m8mz9n7mjh2xsepdkdr0maay','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mz9pkv97qxzs2a2p4caqkn','settle:task-unified-1796000241-rnx4q7rp','sys:revenue','charge',4653000,'task-unified-1796000241-rnx4q7rp','settle','cmt_01m8mz9pkvktg2yxspznsrn37r',1796000242299714,'gpt-image-2','key_01m8mz9n7mjh2xsepdkdr0maay','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mz9vycprr5fhj0sc9rqs31','refund:task-unified-1796000241-a3kjpsr5','acc_01m8mz9n7h5mvevqp489834m77','refund',4653000,'task-unified-1796000241-a3kjpsr5','command line','cmt_01m8mz9vybyvcer51tebd1yxeg',1796000247756412,'gpt-image-2','key_01m8mz9n7mjh2xsepdkdr0maay','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mz9vyc0ypp14cp85abg3j7','refund:task-unified-1796000241-a3kjpsr5','sys:revenue','refund',-4653000,'task-unified-1796000241-a3kjpsr5','command line','cmt_01m8mz9vybyvcer51tebd1yxeg',1796000247756412,'gpt-image-2','key_01m8mz9n7mjh2xsepdkdr0maay','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8mz9z8yb79xvhjr8845rh8j','grant:grant_01m8mz9z8ytdarreb5ma50xyvk','acc_01m8mz9z8trb6zp785zczrat0m','grant',73529412,NULL,'command line','cmt_01m8mz9z8ykggpqwgwyhcqepdg',1796000251166759,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8mz9z8yb2ah7c3w2dzn9hn5','grant:grant_01m8mz9z8ytdarreb5ma50xyvk','sys:bank','grant',-73529412,NULL,'command line','cmt_01m8mz9z8ykggpqwgwyhcqepdg',1796000251166759,NULL,NULL,NULL,0);
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
INSERT INTO "files" VALUES('file_21abee89d5517dd13e42c9e42fdc58ab','acc_01m8mz9n7h5mvevqp489834m77','ast_01m8mz9w3machhvv05mh3ybdvk','9316176c0f5e4a462acb484e191758de','f1.png','f1.png','f1.png','images',1,1796000247963610,1796259447000000,NULL);
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
INSERT INTO "holds" VALUES('task-unified-1796000241-a3kjpsr5','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay',5224500,20787,'settled',4653000,1796000241043441,1796000241737728);
INSERT INTO "holds" VALUES('task-unified-1796000241-rnx4q7rp','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay',5224500,20787,'settled',4653000,1796000241742757,1796000242299714);
INSERT INTO "holds" VALUES('task-unified-1796000255-88c35yal','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay',5233500,20787,'released',0,1796000255653986,1796000255660060);
INSERT INTO "holds" VALUES('task-unified-1796000255-lircoe9a','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay',5215500,20787,'open',0,1796000255663561,NULL);
CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task_id TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, key)
) STRICT;
INSERT INTO "idempotency" VALUES('acc_01m8mz9n7h5mvevqp489834m77','POST /v1/images/generations','fox-1','36b3a810874a18f7816bd256ab8e32b10189cf1a62b380800843b910e5fef4de','task-unified-1796000241-a3kjpsr5',1796173041045144);
CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "installation" VALUES('blobs_folder','fld_6fc89bf3f62844ed',1796000239034436);
INSERT INTO "installation" VALUES('spool:fld_b8e36a1151355e59','',1796000239037777);
INSERT INTO "installation" VALUES('secret_check','b4dd6e2ea103788f442e652a0eef128b9ba5bed959ea2deac3eccf6ee7734414',1796000239040550);
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL, oldest_program TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "migrations" VALUES('0001_begin.sql','c9a701d8bfd8ad6f092ffb5510bf6e712e5606558c8446d5c66177aa82c987b9',1796000238981166,'');
INSERT INTO "migrations" VALUES('0002_deliveries.sql','ba48ed06775665b3f1e52f0ff879044b8c564a277e770394a4bfebe7a0f0cafa',1796000238982744,'');
INSERT INTO "migrations" VALUES('0003_files.sql','fa8ed423a094aaadd9819e6fe0035c9df0fd56ee9f78a056757f7e48bd7c96af',1796000238983225,'');
INSERT INTO "migrations" VALUES('0004_keys.sql','53b9c7bb8937fc53256f02025fb227093a027112043742fc51c7414333eba9a5',1796000238984041,'');
INSERT INTO "migrations" VALUES('0005_limits.sql','86a01faff0da16aad21dee6b6a37def9a6800e4b9320343a81d850f9b74be1a6',1796000238985048,'');
INSERT INTO "migrations" VALUES('0006_thumbnails.sql','9749d52d1476f16b3062634b66149f2de289cb834e04b93742af2c8402565d1c',1796000238985415,'');
INSERT INTO "migrations" VALUES('0007_history.sql','039f2e3c99dabe123fb3c46cd4f43faadabf2d10fac36421721afe8a8ceb4c96',1796000238986641,'');
INSERT INTO "migrations" VALUES('0008_fetched.sql','21d03bb65e1fa2ab9bb0a034562f226bb9ec17e0ae1b742bcbd5bbe31037285d',1796000238986735,'');
INSERT INTO "migrations" VALUES('0009_routes.sql','6fdadf9c2cc9cf37602f0b1a68566c09052da418ad54c2c81489b4be1981286f',1796000238989402,'');
INSERT INTO "migrations" VALUES('0010_refunds.sql','8ee63d598d4e875ae7e8f5dd8f341db203c5b58043fd44538794a3b40be9fa69',1796000238989518,'');
INSERT INTO "migrations" VALUES('0011_sessions.sql','153c72865b3cac752f5da4d7f3f7796b259a36a6318845af976b28599f81764d',1796000238989638,'');
INSERT INTO "migrations" VALUES('0012_names.sql','6763396022b3e70b6e8eed48809f26816fa5425da1af5d71d674b3ade95b949c',1796000239016584,'');
INSERT INTO "migrations" VALUES('0013_waiting.sql','b08facdd97923339c70243aedba8062ea20b55fcbf655dd50928526650c2e145',1796000239017823,'');
INSERT INTO "migrations" VALUES('0014_webhook_bounds.sql','b67cfb3e8b2cdc2a3de40ca9b195ce290e60b2142424618e8b7e02ff3098d028',1796000239017887,'');
INSERT INTO "migrations" VALUES('0015_audit.sql','ae8272b3495a4cc643e53ac1fb86ebf9ea9dfb28d9c5bac50f62beb68dbe2ddb',1796000239018475,'');
INSERT INTO "migrations" VALUES('0016_installation.sql','c6c93d5b396bd4710f0fd6c81f78e64fbf133c7f0b81c2c41f15efacce107d8b',1796000239018914,'0.2.0');
INSERT INTO "migrations" VALUES('0017_totals.sql','9a8983bd4dc1650dfae58eae865985dd7dfd1cc662cd234840b2b28e0aa79099',1796000239019049,'0.2.0');
INSERT INTO "migrations" VALUES('0019_waiting_steps.sql','4639ddb878f734a41ad11d5bd019ab39b1a146eadb8e90b2354b9e36798afa43',1796000239019865,'0.2.0');
INSERT INTO "migrations" VALUES('0020_thumbnails_later.sql','13921129dd6b8b8236533b3dd3fc14ae6cc27515329566f5bf1bc3286f31a85a',1796000239020756,'0.2.0');
INSERT INTO "migrations" VALUES('0021_answers.sql','1ac69b7ca9a872186e79c936bf46a7b39ba87e95291ae23dd4ebd249316ea6b8',1796000239020947,'0.2.0');
INSERT INTO "migrations" VALUES('0022_spools.sql','ddf240e5e5a6252d2b92b33f7ec1bf6425712a0e34e17ec111324fe68b6cf013',1796000239022191,'0.3.0');
INSERT INTO "migrations" VALUES('0023_closed_accounts.sql','b0cb7ff8797c69b3b51bfd769a13d84e0e54017920156a95ecb26e9558db1b72',1796000239022750,'0.3.0');
CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "prices" VALUES('2026-11-01.1','523814ab7043bbac153879626a358b5fd9b7405cabb19c6ed9f714dcf9a6d821','{"effective_from":1793491200,"price":[{"model":"gpt-image-2","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2-beta","per_image_nanos":{"1K":15000000,"2K":25500000,"4K":39000000}},{"model":"gpt-image-1.5","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.0288","text_cached_input":"0.001125","text_input":"0.0045","text_output":"0.009"}},{"model":"gpt-image-1.5-lite","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1.5-beta","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1","per_1k_tokens":{"image_cached_input":"0.00225","image_input":"0.009","image_output":"0.036","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-4o-image","per_image_nanos":{"any":15000000}},{"model":"gpt-image-2.5-flare","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2.5-sunburst","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}}],"version":"2026-11-01.1"}',1796000241044154);
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
INSERT INTO "refunds" VALUES('task-unified-1796000241-a3kjpsr5','rfd_01m8mz9vybg2x6vk53dk9jeec3','acc_01m8mz9n7h5mvevqp489834m77',4653000,'a wrong fox','command line','rfd_01m8mz9vybg2x6vk53dk9jeec3','cmt_01m8mz9vybyvcer51tebd1yxeg',1796000247756412);
CREATE TABLE "route_health" (
    scope TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    full_at INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "route_health" VALUES('embedded','{"since":1796000241737728,"calls":1,"done":1796000241737728}',0);
INSERT INTO "route_health" VALUES('gpt-image-2@embedded','{"since":1796000241737728,"calls":1,"done":1796000241737728}',0);
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
INSERT INTO "task_steps" VALUES('task-unified-1796000241-a3kjpsr5',1,0,'queued',0,1796000241043441,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-a3kjpsr5',2,1,'running',0,1796000241052033,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-a3kjpsr5',3,1,'running',95,1796000241729187,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-a3kjpsr5',4,1,'completed',100,1796000241737728,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-rnx4q7rp',1,0,'queued',0,1796000241742757,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-rnx4q7rp',2,1,'running',0,1796000241745143,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-rnx4q7rp',3,1,'running',95,1796000242284831,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000241-rnx4q7rp',4,1,'completed',100,1796000242299714,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000255-88c35yal',1,0,'queued',0,1796000255653986,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000255-88c35yal',2,0,'failed',0,1796000255660060,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796000255-lircoe9a',1,0,'queued',0,1796000255663561,0,NULL,NULL);
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
INSERT INTO "tasks" VALUES('task-unified-1796000241-a3kjpsr5','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"A fox 1","size":{"requested":"816x816","width":816,"height":816,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5224500,1796000241045144,1796000241043441,1796003841043441,1796000241052033,1796000241737728,NULL,NULL,4653000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":171,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":816,"height":816,"bytes":884413,"quality":"low","thumbnail":true}]',NULL,1796086641000000,'cmt_01m8mz9p29q464crw18srdh6qv',NULL,1796000241052033,NULL,1798592241000000,0,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1796000241-rnx4q7rp','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"A fox 2","size":{"requested":"816x816","width":816,"height":816,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":"http://127.0.0.1:18652/hook","background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5224500,1796000241743752,1796000241742757,1796003841742757,1796000241745143,1796000242299714,NULL,NULL,4653000,'{"images":1,"text_input":8,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":171,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":816,"height":816,"bytes":881754,"quality":"low","thumbnail":true}]',NULL,1796086642000000,'cmt_01m8mz9pkvktg2yxspznsrn37r','http://127.0.0.1:18652/hook',1796000241745143,NULL,1798592242000000,0,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1796000255-88c35yal','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay','failed',0,0,2,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"cancelled","size":{"requested":"816x816","width":816,"height":816,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5233500,1796000255660060,1796000255653986,1796003855653986,NULL,1796000255660060,NULL,NULL,0,NULL,NULL,NULL,NULL,'{"code":"request_cancelled","message":"The task was cancelled.","type":"task_error"}',NULL,'cmt_01m8mza3nbtakwpg8r3hfegnhn',NULL,NULL,1796000255660060,NULL,0,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1796000255-lircoe9a','acc_01m8mz9n7h5mvevqp489834m77','key_01m8mz9n7mjh2xsepdkdr0maay','queued',0,0,1,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"waits","size":{"requested":"816x816","width":816,"height":816,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5215500,1796000255664015,1796000255663561,1796003855663561,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE "webhook_hosts" (
    host TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    suspended INTEGER
) STRICT;
INSERT INTO "webhook_hosts" VALUES('127.0.0.1:18652',4,NULL);
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
CREATE INDEX accounts_closed_with_work ON accounts (id) WHERE closed IS NOT NULL AND unfinished > 0;
CREATE INDEX audit_account ON audit (account_id, created, id);
CREATE INDEX audit_action ON audit (action, created, id);
COMMIT;

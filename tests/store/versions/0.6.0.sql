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
INSERT INTO "accounts" VALUES('acc_01m8n7cqndhmq376wj8bccbb6g','demo',147048136029,5917500,0,1,1796008730285493,1,NULL,1,NULL);
INSERT INTO "accounts" VALUES('acc_01m8n7ff6jw01gd1jwa5rn5jq3','shop',1470588235,0,0,0,1796008819923582,1,NULL,0,NULL);
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
INSERT INTO "api_keys" VALUES('key_01m8n7cqnf9y89b67xshgxdphe','acc_01m8n7cqndhmq376wj8bccbb6g','demo','77a0234a337ebac74d714558229152d652cb81364cc650ed8e35d0549e4b4f46','imk_live_du0d…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,10687500,5917500,NULL,20787,16605000,1796008730287409,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_01m8n7ff6pz574hshjkz62jxky','acc_01m8n7ff6jw01gd1jwa5rn5jq3','key','f58cb0cc94afca78dea25f6caf1f308b105484b7ffbe294bb926cb2b78223de7','imk_live_kQlu…','["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]',NULL,NULL,0,0,NULL,0,0,1796008819926749,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "assets" VALUES('ast_01m8n7crwrf598bfpkyak7y5d9','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-2u04b5z2','result',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/att_01m8n7cr0tmx663m0s20jvns7g-0.png','image/png',1328963,1024,1024,'3b3107910385bd306dfa6ba5fe40e5760a24cd6695ed9791beeca64c3cbb0aa2',1796008731556037,1796095131000000,NULL,'cmt_01m8n7crx33n2pjhx0epaxdz1g',NULL,0);
INSERT INTO "assets" VALUES('ast_01m8n7cryhns056t4qzthmdxka','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-ejv7afr1','result',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/att_01m8n7cr50dj8vgcnjnn4sy7h8-0.png','image/png',1326328,1024,1024,'1d44940d0fc011311bc2cd4959e4613cb0c28cb5137aa2a0990f8d706c5412bb',1796008731602225,1796095131000000,NULL,'cmt_01m8n7cryjkwh6cfa8x306qe9z',NULL,0);
INSERT INTO "assets" VALUES('ast_01m8n7cs5dnwwfhhm629skprwh','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-g9sl4g4r','result',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/att_01m8n7cr9cpg4d4644c8nkfknq-0.png','image/png',1595711,1024,1024,'b286c0e4ec342db4850e95ee7fa0807f87808bb15ec6c4be72e675b530d5e1e6',1796008731821890,1796008801000000,1796008801824301,'cmt_01m8n7cs5dpqenc9jj7g1xagdt',NULL,0);
INSERT INTO "assets" VALUES('ast_01m8n7crx40c9bnr82rft5gwyf','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-2u04b5z2','thumbnail',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/ast_01m8n7crx40c9bnr82rft5gwyf.webp','image/webp',18850,512,512,'ab24e0bedb901fbfcd8507e7d7b2e50611845ce0176347baf09a148284c90ae7',1796008745664941,4611686018427387904,NULL,NULL,NULL,0);
INSERT INTO "assets" VALUES('ast_01m8n7cryjj9tdmxak49np2ksm','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-ejv7afr1','thumbnail',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/ast_01m8n7cryjj9tdmxak49np2ksm.webp','image/webp',19194,512,512,'105c2310cd48eb65f00597b2f74cd5853f8e5a4c00f054ccfc2a2ee55aeda9bc',1796008745701992,1798600731000000,NULL,NULL,NULL,0);
INSERT INTO "assets" VALUES('ast_01m8n7cs5d6pdhj68b73h4gr0z','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-g9sl4g4r','thumbnail',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/ast_01m8n7cs5d6pdhj68b73h4gr0z.webp','image/webp',18130,512,512,'f3e0fdbb5076fd1474db5bdce2f338fddc68b99dd9bb09c92e48016945e371b3',1796008745743627,1796008801000000,1796008801824301,NULL,NULL,0);
INSERT INTO "assets" VALUES('ast_01m8n7fk8v1mw5c5r1n24g18kh','acc_01m8n7cqndhmq376wj8bccbb6g',NULL,'upload',0,'t/acc_01m8n7cqndhmq376wj8bccbb6g/2026/11/30/ast_01m8n7fk8v1mw5c5r1n24g18kh.png','image/png',168,0,0,'ca96adb50da6a5f6cbfe03c9c5eb8ad8f1a6c88f526b8a4b9d9d7d3b9ef90157',1796008824092886,1796268024000000,NULL,NULL,NULL,0);
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
INSERT INTO "attempts" VALUES('att_01m8n7cr0tmx663m0s20jvns7g','task-unified-1796008730-2u04b5z2','acc_01m8n7cqndhmq376wj8bccbb6g',1,'gpt-image-2@embedded','boot_e1f29af900f731c3','produced',1796008730650697,1796008731556037,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
INSERT INTO "attempts" VALUES('att_01m8n7cr50dj8vgcnjnn4sy7h8','task-unified-1796008730-ejv7afr1','acc_01m8n7cqndhmq376wj8bccbb6g',1,'gpt-image-2@embedded','boot_e1f29af900f731c3','produced',1796008730784759,1796008731602225,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
INSERT INTO "attempts" VALUES('att_01m8n7cr9cpg4d4644c8nkfknq','task-unified-1796008730-g9sl4g4r','acc_01m8n7cqndhmq376wj8bccbb6g',1,'gpt-image-2@embedded','boot_e1f29af900f731c3','produced',1796008730924899,1796008731821890,NULL,'embedded',1,0,'','','[{"route":"gpt-image-2@embedded","cost":0,"skipped":""}]','',0,NULL,0);
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
INSERT INTO "audit" VALUES('aud_01m8n7cqnds3fzmgv562a3zyk6',1796008730285493,'account.create','first start','program','','','acc_01m8n7cqndhmq376wj8bccbb6g','acc_01m8n7cqndhmq376wj8bccbb6g',NULL,'{"name": "demo"}',1);
INSERT INTO "audit" VALUES('aud_01m8n7cqne55hp9t03q0epb4d8',1796008730286479,'credits.grant','first start','program','','','acc_01m8n7cqndhmq376wj8bccbb6g','acc_01m8n7cqndhmq376wj8bccbb6g','{"posted": 0}','{"posted": 147058823529, "amount": 147058823529}',1);
INSERT INTO "audit" VALUES('aud_01m8n7cqnf27pq8eqg62tfd6wa',1796008730287409,'key.create','first start','program','','','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe',NULL,'{"name": "demo", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8n7exgychq19nn9xtpz0495',1796008801822230,'task.delete','key:key_01m8n7cqnf9y89b67xshgxdphe','api','127.0.0.1','req_8c1ab57709447096f65661c7','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-g9sl4g4r',NULL,NULL,1);
INSERT INTO "audit" VALUES('aud_01m8n7ff6k2rxscw85akysx3fg',1796008819923582,'account.create','command line','command line','ops@host','','acc_01m8n7ff6jw01gd1jwa5rn5jq3','acc_01m8n7ff6jw01gd1jwa5rn5jq3',NULL,'{"name": "shop"}',1);
INSERT INTO "audit" VALUES('aud_01m8n7ff6n9sxjmvt0qzqppj1j',1796008819925629,'credits.grant','command line','command line','ops@host','','acc_01m8n7ff6jw01gd1jwa5rn5jq3','acc_01m8n7ff6jw01gd1jwa5rn5jq3','{"posted": 0}','{"posted": 1470588235, "amount": 1470588235}',1);
INSERT INTO "audit" VALUES('aud_01m8n7ff6pjhvbxvjp0bmz2v9g',1796008819926749,'key.create','command line','command line','ops@host','','acc_01m8n7ff6jw01gd1jwa5rn5jq3','key_01m8n7ff6pz574hshjkz62jxky',NULL,'{"name": "key", "scopes": ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"], "models": null, "cap": null, "daily_cap": null, "expires": null, "ips": null, "rate_per_minute": null, "concurrent_tasks": null, "in_flight_cap": null, "disabled": null, "made_by": null}',1);
INSERT INTO "audit" VALUES('aud_01m8n7fhnn931sb9wq9wkte61a',1796008822453568,'credits.refund','command line','command line','ops@host','','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-ejv7afr1',NULL,'{"refund": "rfd_01m8n7fhnmgkqvd7w0jt8ebqgd", "amount": 5346000, "reason": "blurred"}',1);
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
INSERT INTO "deliveries" VALUES('evt_task-unified-1796008730-ejv7afr1','acc_01m8n7cqndhmq376wj8bccbb6g','task-unified-1796008730-ejv7afr1','https://hooks.example.com/x','hooks.example.com','{"created":1796008730,"id":"task-unified-1796008730-ejv7afr1","model":"gpt-image-2","object":"image.generation.task","progress":100,"results":["http://127.0.0.1:18931/files/results/task-unified-1796008730-ejv7afr1/0.png?exp=1796095131&sig=k1.qbJhu0ty7IyFISfGVZB1gku5NvN_LQBUSC2J8txjGOI"],"status":"completed","task_info":{"can_cancel":false},"type":"image","usage":{"billing_rule":"per_token","credits_reserved":0.404838,"credits_used":0.363528,"cost":{"credits":0.363528,"usd":0.005346},"tokens":{"text_input":12,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196},"source":"formula","price_version":"2026-11-01.1","user_group":"default"},"billing":{"refund_scope":"account_balance","charge_status":"charged","refund_status":"not_required","reserved_credits":0.404838,"charged_credits":0.363528,"refunded_credits":0,"refunded_at":null},"duration":0.822,"results_expire_at":1796095131,"engine":"embedded","notice":"procedural preview, not a neural model"}','exhausted','failed',0,4,4,1796008738645937,NULL,NULL,1796008731602225,1796008738650765,'cmt_01m8n7cryjkwh6cfa8x306qe9z');
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
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796008730-ejv7afr1',1,'acc_01m8n7cqndhmq376wj8bccbb6g',0,1796008731602225,1796008731604678,1796008731635993,30,NULL,'dns',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796008730-ejv7afr1',2,'acc_01m8n7cqndhmq376wj8bccbb6g',0,1796008732635993,1796008732638315,1796008732641096,2,NULL,'dns',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796008730-ejv7afr1',3,'acc_01m8n7cqndhmq376wj8bccbb6g',0,1796008734641096,1796008734642855,1796008734645937,2,NULL,'dns',NULL,'');
INSERT INTO "delivery_attempts" VALUES('evt_task-unified-1796008730-ejv7afr1',4,'acc_01m8n7cqndhmq376wj8bccbb6g',0,1796008738645937,1796008738648113,1796008738650765,2,NULL,'dns',NULL,'');
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
INSERT INTO "entries" VALUES('led_01m8n7cqnezcsx166j5d0ybv5z','grant:demo','acc_01m8n7cqndhmq376wj8bccbb6g','grant',147058823529,NULL,'first start','cmt_01m8n7cqne7efspk4v1na237pn',1796008730286479,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8n7cqnevr442m9s0smh2b34','grant:demo','sys:bank','grant',-147058823529,NULL,'first start','cmt_01m8n7cqne7efspk4v1na237pn',1796008730286479,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8n7crx4mzef535mk0qra0hk','settle:task-unified-1796008730-2u04b5z2','acc_01m8n7cqndhmq376wj8bccbb6g','charge',-5350500,'task-unified-1796008730-2u04b5z2','settle','cmt_01m8n7crx33n2pjhx0epaxdz1g',1796008731556037,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7crx4qdver1qqwa1bnmrw','settle:task-unified-1796008730-2u04b5z2','sys:revenue','charge',5350500,'task-unified-1796008730-2u04b5z2','settle','cmt_01m8n7crx33n2pjhx0epaxdz1g',1796008731556037,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7cryjgm8srtahg6ww4da4','settle:task-unified-1796008730-ejv7afr1','acc_01m8n7cqndhmq376wj8bccbb6g','charge',-5346000,'task-unified-1796008730-ejv7afr1','settle','cmt_01m8n7cryjkwh6cfa8x306qe9z',1796008731602225,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7cryjt77kkm0fpakdn100','settle:task-unified-1796008730-ejv7afr1','sys:revenue','charge',5346000,'task-unified-1796008730-ejv7afr1','settle','cmt_01m8n7cryjkwh6cfa8x306qe9z',1796008731602225,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7cs5dgsqdgkf4mc1fdm5j','settle:task-unified-1796008730-g9sl4g4r','acc_01m8n7cqndhmq376wj8bccbb6g','charge',-5337000,'task-unified-1796008730-g9sl4g4r','settle','cmt_01m8n7cs5dpqenc9jj7g1xagdt',1796008731821890,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7cs5dbrhg2hsxsnq8bx5c','settle:task-unified-1796008730-g9sl4g4r','sys:revenue','charge',5337000,'task-unified-1796008730-g9sl4g4r','settle','cmt_01m8n7cs5dpqenc9jj7g1xagdt',1796008731821890,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7ff6nb0yp0vp9ht6gg29r','grant:grant_01m8n7ff6nftgmb9k8pf9gf1vw','acc_01m8n7ff6jw01gd1jwa5rn5jq3','grant',1470588235,NULL,'command line','cmt_01m8n7ff6njf5c64n6bzbwkv21',1796008819925629,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8n7ff6nmzrv2mhadpamx5ym','grant:grant_01m8n7ff6nftgmb9k8pf9gf1vw','sys:bank','grant',-1470588235,NULL,'command line','cmt_01m8n7ff6njf5c64n6bzbwkv21',1796008819925629,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES('led_01m8n7fhnnd9d88n4z8mz5kamx','refund:task-unified-1796008730-ejv7afr1','acc_01m8n7cqndhmq376wj8bccbb6g','refund',5346000,'task-unified-1796008730-ejv7afr1','command line','cmt_01m8n7fhnmmn0r2pcrss861xkv',1796008822453568,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
INSERT INTO "entries" VALUES('led_01m8n7fhnn75b9cn8v8rvpfa68','refund:task-unified-1796008730-ejv7afr1','sys:revenue','refund',-5346000,'task-unified-1796008730-ejv7afr1','command line','cmt_01m8n7fhnmmn0r2pcrss861xkv',1796008822453568,'gpt-image-2','key_01m8n7cqnf9y89b67xshgxdphe','2026-11-01.1',1);
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
INSERT INTO "files" VALUES('file_96219002b4cfef0246aff838ab5b5aef','acc_01m8n7cqndhmq376wj8bccbb6g','ast_01m8n7fk8v1mw5c5r1n24g18kh','9ff610b8feb1bfca4ba8c0ea32c4efb1','red.png','red.png',NULL,'images',1,1796008824092886,1796268024000000,NULL);
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
INSERT INTO "holds" VALUES('task-unified-1796008730-2u04b5z2','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe',5962500,20787,'settled',5350500,1796008730644902,1796008731556037);
INSERT INTO "holds" VALUES('task-unified-1796008730-ejv7afr1','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe',5953500,20787,'settled',5346000,1796008730780067,1796008731602225);
INSERT INTO "holds" VALUES('task-unified-1796008730-g9sl4g4r','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe',5926500,20787,'settled',5337000,1796008730915951,1796008731821890);
INSERT INTO "holds" VALUES('task-unified-1796008808-oxfwo1rb','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe',5917500,20787,'open',0,1796008808299162,NULL);
CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task_id TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, key)
) STRICT;
INSERT INTO "idempotency" VALUES('acc_01m8n7cqndhmq376wj8bccbb6g','POST /v1/images/generations','one','295b276136de23b06119b0f98f56a94ec0ad1064ea93bd0b91104057dd084f30','task-unified-1796008808-oxfwo1rb',1796181608300363);
CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "installation" VALUES('blobs_folder','fld_33a7c879cce69d3d',1796008730277911);
INSERT INTO "installation" VALUES('spool:fld_72d9056ef8c0eead','',1796008730280327);
INSERT INTO "installation" VALUES('secret_check','5ea79426a15677af755ea30aea77e1ec75d06a1eec4539c874691ee5e6c253f4',1796008730283001);
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL, oldest_program TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "migrations" VALUES('0001_begin.sql','c9a701d8bfd8ad6f092ffb5510bf6e712e5606558c8446d5c66177aa82c987b9',1796008730225645,'');
INSERT INTO "migrations" VALUES('0002_deliveries.sql','ba48ed06775665b3f1e52f0ff879044b8c564a277e770394a4bfebe7a0f0cafa',1796008730227385,'');
INSERT INTO "migrations" VALUES('0003_files.sql','fa8ed423a094aaadd9819e6fe0035c9df0fd56ee9f78a056757f7e48bd7c96af',1796008730227897,'');
INSERT INTO "migrations" VALUES('0004_keys.sql','53b9c7bb8937fc53256f02025fb227093a027112043742fc51c7414333eba9a5',1796008730228573,'');
INSERT INTO "migrations" VALUES('0005_limits.sql','86a01faff0da16aad21dee6b6a37def9a6800e4b9320343a81d850f9b74be1a6',1796008730229533,'');
INSERT INTO "migrations" VALUES('0006_thumbnails.sql','9749d52d1476f16b3062634b66149f2de289cb834e04b93742af2c8402565d1c',1796008730229891,'');
INSERT INTO "migrations" VALUES('0007_history.sql','039f2e3c99dabe123fb3c46cd4f43faadabf2d10fac36421721afe8a8ceb4c96',1796008730231129,'');
INSERT INTO "migrations" VALUES('0008_fetched.sql','21d03bb65e1fa2ab9bb0a034562f226bb9ec17e0ae1b742bcbd5bbe31037285d',1796008730231215,'');
INSERT INTO "migrations" VALUES('0009_routes.sql','6fdadf9c2cc9cf37602f0b1a68566c09052da418ad54c2c81489b4be1981286f',1796008730233872,'');
INSERT INTO "migrations" VALUES('0010_refunds.sql','8ee63d598d4e875ae7e8f5dd8f341db203c5b58043fd44538794a3b40be9fa69',1796008730233983,'');
INSERT INTO "migrations" VALUES('0011_sessions.sql','153c72865b3cac752f5da4d7f3f7796b259a36a6318845af976b28599f81764d',1796008730234097,'');
INSERT INTO "migrations" VALUES('0012_names.sql','6763396022b3e70b6e8eed48809f26816fa5425da1af5d71d674b3ade95b949c',1796008730261023,'');
INSERT INTO "migrations" VALUES('0013_waiting.sql','b08facdd97923339c70243aedba8062ea20b55fcbf655dd50928526650c2e145',1796008730262222,'');
INSERT INTO "migrations" VALUES('0014_webhook_bounds.sql','b67cfb3e8b2cdc2a3de40ca9b195ce290e60b2142424618e8b7e02ff3098d028',1796008730262286,'');
INSERT INTO "migrations" VALUES('0015_audit.sql','ae8272b3495a4cc643e53ac1fb86ebf9ea9dfb28d9c5bac50f62beb68dbe2ddb',1796008730262859,'');
INSERT INTO "migrations" VALUES('0016_installation.sql','c6c93d5b396bd4710f0fd6c81f78e64fbf133c7f0b81c2c41f15efacce107d8b',1796008730263375,'0.2.0');
INSERT INTO "migrations" VALUES('0017_totals.sql','9a8983bd4dc1650dfae58eae865985dd7dfd1cc662cd234840b2b28e0aa79099',1796008730263514,'0.2.0');
INSERT INTO "migrations" VALUES('0019_waiting_steps.sql','4639ddb878f734a41ad11d5bd019ab39b1a146eadb8e90b2354b9e36798afa43',1796008730264272,'0.2.0');
INSERT INTO "migrations" VALUES('0020_thumbnails_later.sql','13921129dd6b8b8236533b3dd3fc14ae6cc27515329566f5bf1bc3286f31a85a',1796008730265153,'0.2.0');
INSERT INTO "migrations" VALUES('0021_answers.sql','1ac69b7ca9a872186e79c936bf46a7b39ba87e95291ae23dd4ebd249316ea6b8',1796008730265353,'0.2.0');
INSERT INTO "migrations" VALUES('0022_spools.sql','ddf240e5e5a6252d2b92b33f7ec1bf6425712a0e34e17ec111324fe68b6cf013',1796008730266659,'0.3.0');
INSERT INTO "migrations" VALUES('0023_closed_accounts.sql','b0cb7ff8797c69b3b51bfd769a13d84e0e54017920156a95ecb26e9558db1b72',1796008730267212,'0.3.0');
INSERT INTO "migrations" VALUES('0024_task_metadata.sql','2f8c66de5784f2e232e2ee2dc142a722503d096ef9818d2c54e684631d2a8682',1796008730268024,'0.3.0');
CREATE TABLE prices (
    version TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO "prices" VALUES('2026-11-01.1','523814ab7043bbac153879626a358b5fd9b7405cabb19c6ed9f714dcf9a6d821','{"effective_from":1793491200,"price":[{"model":"gpt-image-2","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2-beta","per_image_nanos":{"1K":15000000,"2K":25500000,"4K":39000000}},{"model":"gpt-image-1.5","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.0288","text_cached_input":"0.001125","text_input":"0.0045","text_output":"0.009"}},{"model":"gpt-image-1.5-lite","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1.5-beta","per_image_nanos":{"any":13235295}},{"model":"gpt-image-1","per_1k_tokens":{"image_cached_input":"0.00225","image_input":"0.009","image_output":"0.036","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-4o-image","per_image_nanos":{"any":15000000}},{"model":"gpt-image-2.5-flare","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}},{"model":"gpt-image-2.5-sunburst","per_1k_tokens":{"image_cached_input":"0.0018","image_input":"0.0072","image_output":"0.027","text_cached_input":"0.001125","text_input":"0.0045"}}],"version":"2026-11-01.1"}',1796008730645971);
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
INSERT INTO "refunds" VALUES('task-unified-1796008730-ejv7afr1','rfd_01m8n7fhnmgkqvd7w0jt8ebqgd','acc_01m8n7cqndhmq376wj8bccbb6g',5346000,'blurred','command line','rfd_01m8n7fhnmgkqvd7w0jt8ebqgd','cmt_01m8n7fhnmmn0r2pcrss861xkv',1796008822453568);
CREATE TABLE "route_health" (
    scope TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    full_at INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "route_health" VALUES('embedded','{"since":1796008731556037,"calls":1,"done":1796008731556037}',0);
INSERT INTO "route_health" VALUES('gpt-image-2@embedded','{"since":1796008731556037,"calls":1,"done":1796008731556037}',0);
CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE TABLE starred_tasks (
    task_id TEXT NOT NULL PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    since INTEGER NOT NULL
) STRICT;
INSERT INTO "starred_tasks" VALUES('task-unified-1796008730-2u04b5z2','acc_01m8n7cqndhmq376wj8bccbb6g',1796008730647064);
CREATE TABLE task_metadata (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (task_id, name)
) STRICT;
INSERT INTO "task_metadata" VALUES('task-unified-1796008730-2u04b5z2','starred','true','acc_01m8n7cqndhmq376wj8bccbb6g');
INSERT INTO "task_metadata" VALUES('task-unified-1796008730-2u04b5z2','order','17','acc_01m8n7cqndhmq376wj8bccbb6g');
CREATE TABLE "task_steps" (
    task_id TEXT NOT NULL REFERENCES tasks (id),
    seq INTEGER NOT NULL,
    claim_no INTEGER NOT NULL,
    state TEXT NOT NULL,
    progress INTEGER NOT NULL,
    at INTEGER NOT NULL, sent INTEGER, waiting_reason TEXT, waiting_until INTEGER,
    PRIMARY KEY (task_id, seq)
) STRICT;
INSERT INTO "task_steps" VALUES('task-unified-1796008730-2u04b5z2',1,0,'queued',0,1796008730644902,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-2u04b5z2',2,1,'running',0,1796008730650324,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-ejv7afr1',1,0,'queued',0,1796008730780067,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-ejv7afr1',2,1,'running',0,1796008730784491,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-g9sl4g4r',1,0,'queued',0,1796008730915951,0,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-g9sl4g4r',2,1,'running',0,1796008730924615,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-2u04b5z2',3,1,'running',95,1796008731523856,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-2u04b5z2',4,1,'completed',100,1796008731556037,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-ejv7afr1',3,1,'running',95,1796008731599438,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-ejv7afr1',4,1,'completed',100,1796008731602225,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-g9sl4g4r',3,1,'running',95,1796008731818451,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008730-g9sl4g4r',4,1,'completed',100,1796008731821890,1,NULL,NULL);
INSERT INTO "task_steps" VALUES('task-unified-1796008808-oxfwo1rb',1,0,'queued',0,1796008808299162,0,NULL,NULL);
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
, callback_url TEXT, first_sent INTEGER, cancel_requested INTEGER, thumbnail_expires INTEGER, waiting_for_slot INTEGER NOT NULL DEFAULT 0 CHECK (waiting_for_slot IN (0, 1)), waiting_since INTEGER, waiting_reason TEXT, spool_wait INTEGER, deleted INTEGER) STRICT;
INSERT INTO "tasks" VALUES('task-unified-1796008730-2u04b5z2','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a red fox in the snow","size":{"requested":"1024x1024","width":1024,"height":1024,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5962500,1796008730647064,1796008730644902,1796012330644902,1796008730650324,1796008731556037,NULL,NULL,5350500,'{"images":1,"text_input":13,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":1024,"bytes":1328963,"quality":"low","thumbnail":true}]',NULL,1796095131000000,'cmt_01m8n7crx33n2pjhx0epaxdz1g',NULL,1796008730650324,NULL,1798600731000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1796008730-ejv7afr1','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a lighthouse 여우","size":{"requested":"1024x1024","width":1024,"height":1024,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":"https://hooks.example.com/x","background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5953500,1796008730781189,1796008730780067,1796012330780067,1796008730784491,1796008731602225,NULL,NULL,5346000,'{"images":1,"text_input":12,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":1024,"bytes":1326328,"quality":"low","thumbnail":true}]',NULL,1796095131000000,'cmt_01m8n7cryjkwh6cfa8x306qe9z','https://hooks.example.com/x',1796008730784491,NULL,1798600731000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('task-unified-1796008730-g9sl4g4r','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe','completed',1,0,4,100,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"","size":{"requested":"1024x1024","width":1024,"height":1024,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5926500,1796008730916844,1796008730915951,1796012330915951,1796008730924615,1796008731821890,NULL,NULL,5337000,'{"images":1,"text_input":10,"text_cached_input":0,"image_input":0,"image_cached_input":0,"image_output":196,"text_output":0}','formula','embedded','[{"index":0,"ext":"png","media_type":"image/png","width":1024,"height":1024,"bytes":1595711,"quality":"low","thumbnail":true}]',NULL,1796008801000000,'cmt_01m8n7cs5dpqenc9jj7g1xagdt',NULL,1796008730924615,NULL,1796008801000000,0,NULL,NULL,NULL,1796008801822230);
INSERT INTO "tasks" VALUES('task-unified-1796008808-oxfwo1rb','acc_01m8n7cqndhmq376wj8bccbb6g','key_01m8n7cqnf9y89b67xshgxdphe','queued',0,0,1,0,'gpt-image-2','{"model":"gpt-image-2","row":"gpt-image-2","prompt":"a red house","size":{"requested":"1024x1024","width":1024,"height":1024,"assumed":false,"resolution":null},"quality":"low","n":1,"image_urls":[],"mask_url":null,"callback_url":null,"background":"opaque","output_format":"png","output_compression":100,"hop":0,"partials":0}','per_token','2026-11-01.1',5917500,1796008808300363,1796008808299162,1796012408299162,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE "webhook_hosts" (
    host TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    suspended INTEGER
) STRICT;
INSERT INTO "webhook_hosts" VALUES('hooks.example.com',4,NULL);
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
CREATE INDEX task_metadata_value ON task_metadata (account_id, name, value, task_id);
CREATE INDEX starred_tasks_account ON starred_tasks (account_id);
CREATE INDEX tasks_newest_of_all ON tasks (created, id);
COMMIT;

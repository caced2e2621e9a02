"""The 59 ways to make us dial where we must not, as URLs: {p} stands for the canary's port, {s} for the scheme."""

from __future__ import annotations

CANARY = b"the canary sang"
PUBLIC = "93.184.216.34"

DIRECT = {
    "loopback": "127.0.0.1:{p}",
    "short": "127.1:{p}",
    "decimal": "2130706433:{p}",
    "hex": "0x7f000001:{p}",
    "octal": "0177.0.0.1:{p}",
    "any": "0.0.0.0:{p}",
    "zero": "0:{p}",
    "loopback6": "[::1]:{p}",
    "any6": "[::]:{p}",
    "mapped dotted": "[::ffff:127.0.0.1]:{p}",
    "mapped hex": "[::ffff:7f00:1]:{p}",
    "compatible": "[::127.0.0.1]:{p}",
    "nat64": "[64:ff9b::7f00:1]:{p}",
    "nat64 local": "[64:ff9b:1::7f00:1]:{p}",
    "6to4": "[2002:7f00:1::]:{p}",
    "teredo": "[2001:0:7f00:1::]:{p}",
    "zone": "[fe80::1%25lo]:{p}",
    "metadata": "169.254.169.254:{p}",
    "metadata mapped": "[::ffff:169.254.169.254]:{p}",
    "metadata decimal": "2852039166:{p}",
    "cgnat": "100.100.100.200:{p}",
    "ietf": "192.0.0.192:{p}",
    "benchmark": "198.18.0.1:{p}",
    "multicast": "224.0.0.1:{p}",
    "class e": "240.0.0.1:{p}",
    "broadcast": "255.255.255.255:{p}",
    "ula": "[fd00:ec2::254]:{p}",
    "site local": "[fec0::1]:{p}",
    "documentation6": "[3fff::1]:{p}",
    "segment routing": "[5f00::1]:{p}",
    "azure": "168.63.129.16:{p}",
    "localhost": "localhost:{p}",
    "localhost dot": "LOCALHOST.:{p}",
    "circled digits": "①②⑦.⓪.⓪.①:{p}",
    "ideographic dots": "127。0。0。1:{p}",
    "tab": "127.0.\t0.1:{p}",
    "userinfo": "example.com@127.0.0.1:{p}",
    "backslash": "example.com\\@127.0.0.1:{p}",
    "redis": "93.184.216.34:6379",
}
BY_NAME = {
    "rebinding": [[PUBLIC], ["127.0.0.1"]],
    "mixed, public first": [[PUBLIC, "127.0.0.1"]],
    "mixed, public last": [["127.0.0.1", PUBLIC]],
    "mapped": [["::ffff:127.0.0.1"]],
    "nat64": [["64:ff9b::7f00:1"]],
    "metadata": [["169.254.169.254"]],
    "cgnat": [["100.64.0.1"]],
    "any": [["0.0.0.0"]],
    "compatible": [["::127.0.0.1"]],
    "6to4": [["2002:7f00:1::"]],
    "ula": [["fd00:ec2::254"]],
    "multicast": [["224.0.0.1"]],
}
BY_REDIRECT = {
    "loopback": "{s}://127.0.0.1:{p}/",
    "metadata": "{s}://169.254.169.254:{p}/latest/meta-data/",
    "decimal": "{s}://2130706433:{p}/",
    "name": "{s}://inner.example:{p}/",
    "file": "file:///etc/passwd",
    "rebinding name": "{s}://rebind.example:{p}/",
}
BY_SCHEME = {"file": "file:///etc/passwd", "gopher": "gopher://127.0.0.1:{p}/_x"}

#!/usr/bin/env bash
# Makes what a deployment needs and no repository may hold: an authority and certificates, nkeys, and the servers' list
# of who has which. Needs bash, coreutils and openssl 3. What is there already is kept: it can be run again.
#
#   prepare.sh [--out DIR] [--owner UID:GID] [--name PROCESS=HOST]...   all of it; a certificate also for HOST
#   prepare.sh [--out DIR] site TRIAL SITE                              an account for a site that submits over NATS
#
# DIR is ./generated beside this script. In it:
#   ca/        the authority; take ca.key off this machine when all certificates are made
#   tls/       a certificate and key for each process and server
#   nkeys/     NAME.seed is secret and goes to that process alone; NAME.public is what the servers are told
#   nats/      keys.conf and sites.conf, which accounts.conf reads; no secrets
#   tokens/    empty files, for the tokens that `trialbook token new` prints later
#   grafana-password
set -euo pipefail
umask 077
here="$(cd "$(dirname "$0")" && pwd)"

nodes=(nats-1 nats-2 nats-3)
processes=(registrar-1 registrar-2 notary outcomes safety console witness)
users=(registrar-1 registrar-2 notary outcomes safety operator break-glass system system-admin)
days=825

die() { echo "prepare.sh: $*" >&2; exit 1; }

# The checksum of an nkey: CRC-16 (polynomial 0x1021, from 0), of bytes given in hex, as hex, low byte first.
crc16() {
    local hex=$1 crc=0 at bit
    for ((at = 0; at < ${#hex}; at += 2)); do
        ((crc ^= 16#${hex:at:2} << 8)) || true
        for ((bit = 0; bit < 8; bit++)); do
            if ((crc & 0x8000)); then ((crc = (crc << 1 ^ 0x1021) & 0xffff)) || true
            else ((crc = crc << 1 & 0xffff)) || true; fi
        done
    done
    printf '%02x%02x' $((crc & 0xff)) $((crc >> 8))
}

# Bytes given in hex, in base32 without padding.
base32_of() { printf "%b" "$(sed 's/../\\x&/g' <<<"$1")" | base32 --wrap=0 | tr -d '='; }

# An nkey of a user: a seed in nkeys/NAME.seed, and its public half in nkeys/NAME.public.
make_nkey() {
    local seed="$out/nkeys/$1.seed" public="$out/nkeys/$1.public" pem secret half
    if [ -s "$seed" ] && [ -s "$public" ]; then return; fi
    pem="$(openssl genpkey -algorithm ed25519)"
    secret="$(openssl pkey -outform DER <<<"$pem" | tail -c 32 | od -An -v -tx1 | tr -d ' \n')"
    half="$(openssl pkey -pubout -outform DER <<<"$pem" | tail -c 32 | od -An -v -tx1 | tr -d ' \n')"
    # 0x95 0x00: a seed (0x90) of a user (0xa0), five bits of the one and three of the other; 0xa0: a user.
    base32_of "9500$secret$(crc16 "9500$secret")" >"$seed"
    base32_of "a0$half$(crc16 "a0$half")" >"$public"
}

make_authority() {
    if [ -s "$out/ca/ca.crt" ]; then return; fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Trialbook deployment" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$out/ca/ca.key" -out "$out/ca/ca.crt" 2>/dev/null
}

# A certificate for the names given, the first of which names the files.
make_certificate() {
    local name=$1 names
    if [ -s "$out/tls/$name.crt" ]; then return; fi
    [ -s "$out/ca/ca.key" ] || die "$out/ca/ca.key is not here any more: bring it to make a certificate for $name"
    names="$(printf 'DNS:%s,' "$@")DNS:localhost,IP:127.0.0.1"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -keyout "$out/tls/$name.key" -out "$out/tls/$name.csr" 2>/dev/null
    openssl x509 -req -in "$out/tls/$name.csr" -CA "$out/ca/ca.crt" -CAkey "$out/ca/ca.key" -days "$days" -out \
        "$out/tls/$name.crt" -extfile <(printf '%s\n' "subjectAltName=$names" "basicConstraints=critical,CA:FALSE" \
        "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth") 2>/dev/null
    rm "$out/tls/$name.csr"
}

# keys.conf, anew from nkeys/: what accounts.conf calls $NKEY_REGISTRAR_1 is registrar-1's.
list_keys() {
    local name
    echo "# Written by prepare.sh: the public half of each nkey."
    for name in "${users[@]}"; do
        printf 'NKEY_%s: %s\n' "$(tr 'a-z-' 'A-Z_' <<<"$name")" "$(cat "$out/nkeys/$name.public")"
    done
}

# sites.conf, anew from nkeys/: an account for each site. Accounts do not see each other, so neither do sites; what a site
# imports is the one subject on which it submits.
list_sites() {
    local public site trial
    echo "# Written by prepare.sh: an account for each site."
    for public in "$out"/nkeys/site.*.public; do
        [ -e "$public" ] || continue
        IFS=. read -r _ trial site _ <<<"$(basename "$public")"
        printf '"SITE.%s.%s": {\n  users: [{ nkey: %s }]\n' "$trial" "$site" "$(cat "$public")"
        printf '  imports: [{ service: { account: TRIALBOOK, subject: "trialbook.%s.submit.%s" } }]\n}\n' "$trial" "$site"
    done
}

out="$here/generated"
owner=
declare -A also
while [ $# -gt 0 ]; do
    case "$1" in
        --out) out="${2:?--out takes a directory}"; shift 2 ;;
        --owner) owner="${2:?--owner takes UID:GID}"; shift 2 ;;
        --name) [[ "${2:-}" == *=* ]] || die "--name takes PROCESS=HOST"; also[${2%%=*}]+=" ${2#*=}"; shift 2 ;;
        site) break ;;
        *) die "no such option: $1" ;;
    esac
done
mkdir -p "$out"/{ca,tls,nkeys,nats,tokens}
for name in "${!also[@]}"; do
    [[ " ${nodes[*]} ${processes[*]} " == *" $name "* ]] || die "there is no process $name"
done

if [ "${1:-}" = site ]; then
    # Their places in a subject, and in the name of a file.
    [[ "${2:-}" =~ ^[a-z0-9-]+$ ]] || die "site TRIAL SITE: not a trial's id: ${2:-}"
    [[ "${3:-}" =~ ^[A-Za-z0-9-]+$ ]] || die "site TRIAL SITE: not a site's id: ${3:-}"
    make_nkey "site.$2.$3"
    echo "for $3: $out/nkeys/site.$2.$3.seed and $out/ca/ca.crt; then have every server read its configuration again"
else
    make_authority
    for name in "${nodes[@]}" "${processes[@]}"; do
        # shellcheck disable=SC2086 # several names, none with a space
        make_certificate "$name" ${also[$name]:-}
    done
    for name in "${users[@]}"; do make_nkey "$name"; done
    [ -s "$out/grafana-password" ] || openssl rand -hex 24 | tr -d '\n' >"$out/grafana-password"
    # Filled when there is a store to keep their hashes in; what mounts them wants them there.
    touch "$out/tokens/services.token" "$out/tokens/metrics.token"
    # Prometheus and Grafana run as users of their own, in the group of --owner.
    chmod g+r "$out/ca/ca.crt" "$out/grafana-password" "$out"/tokens/*.token
    list_keys >"$out/nats/keys.conf"
fi
list_sites >"$out/nats/sites.conf"
if [ -n "$owner" ]; then chown -R "$owner" "$out"; fi
